/**
 * What an instance's root cannot do to this machine, to other instances and to other VPCs. Each attempt is one that
 * would do no harm if it succeeded: a setting is written with the value it has, the clock with the time it shows.
 * Beside each attempt stands the same thing where it is allowed, so that a test cannot pass because nothing works.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { findCgroupHost } from '@holdfast/linux/compute/cgroups.ts';
import { cgroupParent, hostLayout, serviceAddresses } from '@holdfast/linux/layout.ts';
import { hostAddress } from '@holdfast/linux/network/index.ts';
import { baseImage, type Instance, inside, launch } from '../support/instances.ts';
import { withoutAws, withoutInstances } from '../support/needs.ts';
import { run, startRegion, type TestRegion } from '../support/region.ts';

const prefix = 'hte';
const publicCidr = '198.19.64.0/20';
const layout = hostLayout({ prefix, publicCidr });
const skip = withoutAws() || (await withoutInstances());

let region: TestRegion;
/** In the default VPC, with public addresses: the one that tries, and one beside it. */
let prisoner: Instance;
let neighbour: Instance;

/** Runs a script in the prisoner's place; its output, both streams in one. */
async function attempt(script: string): Promise<string> {
  const { stdout, stderr } = await inside(region, prisoner.id, script);
  return stdout + stderr;
}

/** Does a TCP connection from an instance get through? Bash reports it; a silent drop counts as no after `seconds`. */
async function reaches(from: Instance, address: string, port: number, seconds = 2): Promise<boolean> {
  const script = `timeout ${seconds} bash -c 'exec 3<>/dev/tcp/${address}/${port}' 2>/dev/null`;
  return (await inside(region, from.id, script)).code === 0;
}

/** A web server in an instance, on all of its addresses; answers `text`. */
async function serve(instance: Instance, port: number, text: string): Promise<void> {
  const script = `mkdir -p /srv/${port} && echo ${text} > /srv/${port}/index.html &&
    systemd-run --quiet --unit=served-${port} python3 -m http.server ${port} --directory /srv/${port} &&
    for _ in $(seq 300); do curl -s -o /dev/null localhost:${port} && exit 0; sleep 0.1; done; exit 1`;
  const { code, stderr } = await inside(region, instance.id, script);
  assert.equal(code, 0, stderr);
}

const memoryLimit = (id: string): { peak: number; limit: number } => {
  const host = findCgroupHost();
  assert(host);
  const v1 = host.controllers.get('memory');
  const group = `${v1 ?? host.unified}/${cgroupParent(layout)}/${id}`;
  const read = (file: string): number => Number(readFileSync(`${group}/${file}`, 'utf8'));
  return v1
    ? { peak: read('memory.max_usage_in_bytes'), limit: read('memory.limit_in_bytes') }
    : { peak: read('memory.peak'), limit: read('memory.max') };
};

async function machineIsWell(): Promise<void> {
  const answers = await inside(region, neighbour.id, 'echo well');
  assert.equal(answers.stdout, 'well\n', 'the neighbour lives');
  const { Account } = await region.aws('sts', 'get-caller-identity');
  assert.equal(Account, '000000000000', 'the region answers');
}

describe('an instance’s root', { skip, timeout: 300_000 }, () => {
  before(async () => {
    region = await startRegion({ prefix, publicCidr, driver: 'linux' });
    const [one, two] = await launch(region, '--instance-type', 't3.micro', '--count', '2');
    assert(one && two);
    prisoner = one;
    neighbour = two;
  });
  after(async () => {
    await region?.down();
  });

  describe('and this machine’s services', () => {
    let server: Server;
    let port: number;
    let connections = 0;
    before(async () => {
      server = createServer((socket) => {
        connections++;
        socket.on('error', () => {});
        socket.end('the host\n');
      });
      await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
      const address = server.address();
      assert(address && typeof address === 'object');
      port = address.port;
    });
    after(() => server?.close());

    test('reaches none of them, on none of this machine’s addresses', async () => {
      const own = Object.values(networkInterfaces())
        .flatMap((list) => list ?? [])
        .filter(({ family }) => family === 'IPv4')
        .map(({ address }) => address);
      const addresses = new Set([
        ...own,
        hostAddress(layout),
        '169.254.255.1',
        '169.254.255.2',
        '172.31.0.1',
      ]);
      assert(addresses.has(hostAddress(layout)) && own.length >= 2);
      const local = await run('bash', ['-c', `exec 3<>/dev/tcp/${hostAddress(layout)}/${port}; cat <&3`]);
      assert.equal(local.stdout, 'the host\n', 'the listener works, from this machine');
      connections = 0;
      const apiPort = Number(new URL(region.endpoint).port);
      const targets = [...addresses].flatMap((address) =>
        [port, apiPort, 4566].map((one) => [address, one] as const),
      );
      const got = await Promise.all(
        targets.map(async ([address, one]) =>
          (await reaches(prisoner, address, one)) ? [`${address}:${one}`] : [],
        ),
      );
      assert.deepEqual(got.flat(), []);
      assert.equal(connections, 0);
    });

    test('finds nothing of this machine’s file system, its sockets or its processes', async () => {
      const canary = spawn('sleep', ['61.4242'], { stdio: 'ignore' });
      try {
        const mounts = (await attempt('cat /proc/self/mounts'))
          .trim()
          .split('\n')
          .map((line) => line.split(' '));
        const virtual = ['proc', 'tmpfs', 'devpts', 'mqueue', 'sysfs', 'cgroup2'];
        const real = mounts.filter(([, , type]) => !virtual.includes(type ?? '')).map(([, point]) => point);
        assert.deepEqual(real, ['/']);
        assert.equal(await attempt(`find / -xdev \\( -name store.db -o -name control.json \\) -print`), '');
        const sockets = await attempt('cut -c 54- /proc/net/unix');
        assert.match(sockets, /systemd/, 'its own sockets are listed');
        assert.doesNotMatch(sockets, new RegExp(`${layout.runDirectory}|edge|haproxy`));
        const own = await attempt('cat /proc/[0-9]*/cmdline | tr "\\0" " "');
        assert.match(own, /systemd-journald/);
        assert.doesNotMatch(own, /61\.4242|haproxy|holdfast\/src/);
        assert.match(await attempt(`kill -0 ${process.pid}`), /No such process|no such process/i);
      } finally {
        canary.kill();
      }
    });
  });

  describe('and this machine’s kernel', () => {
    test('writes no setting but its own network’s', async () => {
      const writable = await attempt(
        `find /proc/sys -type f -writable 2>/dev/null | grep -v '^/proc/sys/net/'`,
      );
      assert.equal(writable, '');
      const forwarding = readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim();
      const other = forwarding === '1' ? '0' : '1';
      const own = await attempt(
        `echo ${other} > /proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward`,
      );
      assert.equal(own, `${other}\n`, 'its own');
      assert.equal(
        readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim(),
        forwarding,
        'not this machine’s',
      );
    });

    test('opens no way to write one by mounting, also not from namespaces of its own', async () => {
      const same = 'v=$(cat $f/panic) && echo "$v" > $f/panic && echo WROTE';
      const tries = `
        mkdir -p /mnt/p; f=/proc/sys/kernel; mount -o remount,rw $f && { ${same}; }; umount $f && { ${same}; }
        mount -t proc proc /mnt/p && { f=/mnt/p/sys/kernel; ${same}; }
        mount -t sysfs sysfs /mnt/p && echo SYSFS; mount -t debugfs debugfs /mnt/p && echo DEBUGFS
        mount -t cgroup -o memory memory /mnt/p && echo CGROUP`;
      for (const around of ['sh -c', 'unshare -Urm sh -c', 'unshare -UrmpfnC sh -c']) {
        const said = await attempt(`${around} '${tries.replaceAll("'", '')}'`);
        assert.doesNotMatch(said, /WROTE|SYSFS|DEBUGFS/, around);
        assert.match(said, /denied|not permitted/, around);
      }
      assert.doesNotMatch(
        await attempt(`mkdir -p /mnt/p; mount -t cgroup -o memory memory /mnt/p && echo CGROUP`),
        /CGROUP/,
      );
    });

    test('reads neither its memory nor its log, nor asks it to do anything by a key', async () => {
      for (const name of ['/proc/kcore', '/proc/sysrq-trigger', '/proc/keys', '/proc/timer_list']) {
        // Hidden behind an empty file or folder, or not there in this kernel.
        const said = await attempt(
          `test -e ${name} || exit 0; stat -c '%F %t:%T' ${name}; head -c 64 ${name} | wc -c`,
        );
        assert.match(
          said,
          /^(|character special file 1:3\n0\n|(directory|regular empty file) 0:0\n.*0\n)$/s,
          name,
        );
      }
      assert.notEqual((await inside(region, prisoner.id, 'dmesg')).code, 0);
    });

    test('opens no device of this machine, however it is named', async () => {
      const disks = readFileSync('/proc/partitions', 'utf8').trim().split('\n').slice(2);
      const numbers = disks.map((line) => `b ${line.trim().split(/\s+/).slice(0, 2).join(' ')}`);
      // /dev/mem, /dev/port, /dev/kmsg, /dev/loop-control, /dev/kvm, /dev/fuse.
      const nodes = [...numbers, 'c 1 1', 'c 1 4', 'c 1 11', 'c 10 237', 'c 10 232', 'c 10 229', 'c 1 5'];
      const makes = (node: string): string =>
        ['/root', '/dev', '/dev/shm']
          .map((at) => `mknod ${at}/node ${node} 2> /dev/null && echo '${node} in ${at}'`)
          .join('\n');
      assert.equal(
        await attempt([...nodes.map(makes), 'mknod /root/pipe p && echo pipe'].join('\n')),
        'pipe\n',
      );
      const found = await attempt('find /dev /tmp /root \\( -type b -o -type c \\) -not -path "/dev/pts/*"');
      const given = 'null zero full random urandom tty net/tun'.split(' ').map((name) => `/dev/${name}`);
      assert.deepEqual(found.trim().split('\n').toSorted(), given.toSorted(), 'those it has');
    });

    test('makes no system call that is for this machine’s own root', async () => {
      const said = await attempt(
        `cat > /tmp/calls.py <<'PYTHON'\n${callsScript}PYTHON\npython3 /tmp/calls.py`,
      );
      const allowed = said
        .trim()
        .split('\n')
        .filter((line) => !/ (EPERM|EACCES|ENOSYS)$/.test(line));
      assert.deepEqual(allowed, ['getpid OK']);
      assert.match(await attempt('date -s "@$(date +%s)"'), /not permitted/);
    });
  });

  describe('and its limits', () => {
    test('cannot lift its memory limit, and a memory bomb kills nothing but itself', async () => {
      // As root of namespaces of its own it may mount a v1 controller; what it sees there is not what holds it.
      await attempt(`unshare -UrmC sh -c 'mkdir -p /mnt/c; mount -t cgroup -o memory memory /mnt/c &&
        echo -1 > /mnt/c/memory.limit_in_bytes'; for f in /sys/fs/cgroup/memory.max; do echo max > $f; done`);
      const bomb = await inside(region, prisoner.id, `python3 -c 'b = b"x" * (3 << 30); print("SURVIVED")'`);
      assert.notEqual(bomb.code, 0);
      assert.doesNotMatch(bomb.stdout, /SURVIVED/);
      const { peak, limit } = memoryLimit(prisoner.id);
      assert.equal(limit, 2 ** 30, 'a t3.micro has 1 GiB');
      assert(peak > limit * 0.9 && peak <= limit, `it took ${peak} of ${limit} bytes`);
      await machineIsWell();
      assert.equal(await attempt('echo here'), 'here\n', 'the instance itself lives too');
    });

    test('has no more processes than its limit', async () => {
      const bomb = `perl -e 'while ($n < 6000) { my $p = fork; last unless defined $p;
        if (!$p) { sleep 60; exit } push @k, $p; $n++ } print "$n\\n"; kill 9, @k; 1 while wait > 0'`;
      const forked = Number((await inside(region, prisoner.id, bomb)).stdout);
      assert(forked > 500 && forked <= 4_096, `${forked} processes`);
      await machineIsWell();
    });
  });

  describe('and other instances', () => {
    test('does not reach a port that no security group opens', async () => {
      const { GroupId } = await region.aws(
        'ec2',
        'create-security-group',
        '--group-name',
        'shut',
        '--description',
        'no rule',
      );
      const [shut] = await launch(region, '--instance-type', 't3.nano', '--security-group-ids', GroupId);
      assert(shut?.publicAddress);
      await serve(shut, 8080, 'shut');
      await serve(neighbour, 8080, 'open');
      assert.equal(await reaches(prisoner, shut.privateAddress, 8080), false);
      assert.equal(await reaches(prisoner, shut.publicAddress, 8080), false);
      assert.equal(
        await reaches(prisoner, neighbour.privateAddress, 8080, 20),
        true,
        'its own group lets it',
      );
    });

    test('gets no other instance’s metadata by that one’s address', async () => {
      const address = neighbour.privateAddress;
      const ask = (options: string): string => `
        t=$(curl -s ${options} -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token) &&
        curl -s ${options} -H "X-aws-ec2-metadata-token: $t" http://169.254.169.254/latest/meta-data/instance-id`;
      assert.equal(await attempt(ask('-m 20')), prisoner.id, 'its own');
      const spoofed =
        await attempt(`ip address add ${address}/32 dev eth0; ${ask(`-m 2 --interface ${address}`)}
        curl -s -m 2 --interface ${address} http://169.254.169.254/latest/meta-data/instance-id
        ip address del ${address}/32 dev eth0`);
      assert.equal(spoofed, '');
      assert.equal(await attempt(ask('-m 20')), prisoner.id, 'its own, still');
    });

    test('of a VPC with the same addresses are not seen', async () => {
      const image = await baseImage(region);
      const vpc = async (): Promise<string> => {
        const { Vpc } = await region.aws('ec2', 'create-vpc', '--cidr-block', '10.0.0.0/16');
        const { Subnet } = await region.aws(
          'ec2',
          'create-subnet',
          '--vpc-id',
          Vpc.VpcId,
          '--cidr-block',
          '10.0.1.0/24',
        );
        return Subnet.SubnetId;
      };
      const [left, right] = [await vpc(), await vpc()];
      assert(image);
      const at = async (subnet: string, address: string): Promise<Instance> => {
        const [one] = await launch(
          region,
          '--instance-type',
          't3.nano',
          '--subnet-id',
          subnet,
          '--private-ip-address',
          address,
        );
        assert(one);
        return one;
      };
      const [here, there, farther] = await Promise.all([
        at(left, '10.0.1.10'),
        at(right, '10.0.1.10'),
        at(right, '10.0.1.20'),
      ]);
      await serve(there, 8080, 'there');
      await serve(farther, 8080, 'farther');
      assert.equal(await reaches(there, '10.0.1.20', 8080, 20), true, 'inside its own VPC');
      assert.equal(await reaches(here, '10.0.1.20', 8080), false, 'an address that only the other VPC has');
      assert.equal(await reaches(here, '10.0.1.10', 8080), false, 'an address that both have is its own');
      const ping = await inside(region, here.id, 'ping -c 1 -W 1 10.0.1.20');
      assert.notEqual(ping.code, 0);
    });
  });

  describe('and the region’s API', () => {
    const call = (key: string, secret: string, token?: string): string => {
      const header = token === undefined ? '' : `-H 'X-Amz-Security-Token: ${token}'`;
      return `curl -s -m 20 --aws-sigv4 aws:amz:us-west-2:sts --user '${key}:${secret}' ${header} \
        -d 'Action=GetCallerIdentity&Version=2011-06-15' http://${serviceAddresses.api}:4566/`;
    };

    test('is refused without a key that the region issued, and served with one', async () => {
      assert.match(await attempt(call('test', 'test')), /InvalidClientTokenId/);
      assert.match(
        await attempt(
          `curl -s -m 20 -d 'Action=GetCallerIdentity&Version=2011-06-15' http://${serviceAddresses.api}:4566/`,
        ),
        /MissingAuthenticationToken/,
      );
      const { Credentials } = await region.aws('sts', 'get-session-token');
      const { AccessKeyId, SecretAccessKey, SessionToken } = Credentials;
      const wrong = await attempt(call(AccessKeyId, 'not-the-secret', SessionToken));
      assert.match(wrong, /SignatureDoesNotMatch/);
      const served = await attempt(call(AccessKeyId, SecretAccessKey, SessionToken));
      assert.match(served, /<Account>000000000000<\/Account>/);
      const status = await attempt(`curl -s -m 20 http://${serviceAddresses.api}:4566/_holdfast/status`);
      assert.match(status, /from this machine only/);
    });
  });

  test('leaves nothing that down cannot remove', async () => {
    await attempt('touch /root/held; chattr +i /root/held; mkfifo /root/pipe; ln -s /etc/passwd /root/link');
    await region.holdfast('down');
    assert(!existsSync(region.env.HOLDFAST_STATE_DIRECTORY ?? ''), 'its disk is gone');
    assert.match(readFileSync('/etc/passwd', 'utf8'), /^root:/);
  });
});

/** Each line: a call and its errno's name, or OK. Arguments are such that a permitted call would change nothing. */
const callsScript = `
import ctypes, errno, os, platform, struct, time
libc = ctypes.CDLL(None, use_errno=True)
arm = platform.machine() == 'aarch64'
def call(name, x86, arm64, *args):
    ctypes.set_errno(0)
    done = libc.syscall(arm64 if arm else x86, *args)
    print(name, 'OK' if done >= 0 else errno.errorcode[ctypes.get_errno()])
now = struct.pack('qq', int(time.time()), 0)
log = ctypes.create_string_buffer(4096)
call('getpid', 39, 172)
open('/tmp/none.ko', 'w').write('none')
module = os.open('/tmp/none.ko', os.O_RDONLY)
call('finit_module', 313, 273, module, b'', 0)
call('init_module', 175, 105, b'none', 4, b'')
call('delete_module', 176, 106, b'no_such_module', 0)
call('kexec_load', 246, 104, 0, 0, None, 0)
call('clock_settime', 227, 112, 0, now)
call('settimeofday', 164, 170, now, None)
call('syslog', 103, 116, 3, log, 4096)
call('swapon', 167, 224, b'/tmp/none.ko', 0)
call('acct', 163, 89, b'/tmp/none.ko')
call('setdomainname', 171, 162, b'none', 4)
call('fanotify_init', 300, 262, 0, 0)
call('mount', 165, 40, b'none', b'/mnt', b'tmpfs', 0, None)
call('unshare', 272, 97, 0x00020000)
call('pivot_root', 155, 41, b'/', b'/')
call('open_tree_clone', 428, 428, -100, b'/', 1)
call('fsopen', 430, 430, b'proc', 0)
call('perf_event_open', 298, 241, struct.pack('IIQQQQQ', 1, 112, 0, 0, 0, 0, 0) + bytes(64), -1, 0, -1, 0)
handle = ctypes.create_string_buffer(struct.pack('IiII', 8, 1, 2, 0))
bound = os.open('/dev/holdfast-end', os.O_RDONLY)
call('open_by_handle_at', 304, 265, bound, handle, 0)
host_init_namespace = os.open('/proc/1/ns/net', os.O_RDONLY)
call('setns', 308, 268, host_init_namespace, 0x40000000)
`;
