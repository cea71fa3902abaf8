/**
 * More ways out of an instance that its root does not find: those by what all instances share, which are the kernel, its
 * limits and the wire. As in `escape.test.ts`, each attempt would do no harm if it succeeded, and beside it stands the
 * same thing where it is allowed.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { findCgroupHost } from '@holdfast/linux/compute/cgroups.ts';
import { runNft } from '@holdfast/linux/host/nftables.ts';
import { cgroupParent, hostLayout, serviceAddresses } from '@holdfast/linux/layout.ts';
import { hostTable } from '@holdfast/linux/network/internet.ts';
import { type Instance, inside, launch, until } from '../support/instances.ts';
import { withoutAws, withoutInstances } from '../support/needs.ts';
import { root, run, startRegion, stateDirectoryOf, type TestRegion } from '../support/region.ts';

const prefix = 'hek';
const publicCidr = '198.19.194.0/23';
const layout = hostLayout({ prefix, publicCidr });
const layoutState = stateDirectoryOf(prefix);
const skip = withoutAws() || (await withoutInstances());

let region: TestRegion;
let prisoner: Instance;
let neighbour: Instance;

/** Runs a shell script, or with `python` a Python one, in an instance; both its streams in one. */
async function attempt(script: string, instance = prisoner): Promise<string> {
  const { stdout, stderr } = await inside(region, instance.id, script);
  return stdout + stderr;
}
const python = (script: string, ...args: (string | number)[]): string =>
  `cat > /root/attempt.py <<'PYTHON'\n${script}\nPYTHON\npython3 /root/attempt.py ${args.join(' ')}`;

/** Host processes with this word in their command line: their pids. */
function processesNamed(word: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(word);
    } catch {
      return false; // It has just ended.
    }
  });
}

/** The values of all settings of this machine's own network. */
function networkSettings(): Map<string, string> {
  const values = new Map<string, string>();
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      // Devices come and go with other tests, and so do their settings.
      if (entry.isDirectory() && !['conf', 'neigh'].includes(entry.name)) visit(path);
      if (entry.isFile() && (statSync(path).mode & 0o600) === 0o600)
        values.set(path, readFileSync(path, 'utf8'));
    }
  };
  visit('/proc/sys/net');
  return values;
}

describe('an instance’s root, by what all instances share,', { skip, timeout: 180_000 }, () => {
  before(async () => {
    region = await startRegion({ prefix, publicCidr, driver: 'linux' });
    const [one, two] = await launch(region, '--instance-type', 't2.micro', '--count', '2');
    assert(one && two);
    prisoner = one;
    neighbour = two;
  });
  after(async () => {
    await region?.down();
  });

  describe('the kernel,', () => {
    test('has no program of its own run outside: by a core dump, a module, an event or a group’s end', async () => {
      const same = (path: string): string =>
        `(v=$(cat ${path}) && printf '%s' "$v" > ${path}) 2>/dev/null && echo WROTE ${path}`;
      const paths = ['core_pattern', 'modprobe', 'hotplug', 'poweroff_cmd'].map(
        (name) => `/proc/sys/kernel/${name}`,
      );
      const own = await attempt(
        [...paths, '/sys/kernel/uevent_helper', '/proc/sys/net/ipv4/ip_forward'].map(same).join('\n'),
      );
      assert.equal(own, 'WROTE /proc/sys/net/ipv4/ip_forward\n', 'its own setting alone');
      const released = await attempt(`unshare -UrmC sh -c '
        for c in $(tail -n +2 /proc/cgroups | cut -f 1); do
          mkdir -p /mnt/c; mount -t cgroup -o $c none /mnt/c || continue
          echo mounted $c; v=$(cat /mnt/c/release_agent) && printf "%s" "$v" > /mnt/c/release_agent && echo WROTE
          umount /mnt/c; done' 2>/dev/null; true`);
      assert.doesNotMatch(released, /WROTE/);
      const bpf = await attempt('mkdir -p /mnt/c; mount -t binfmt_misc none /mnt/c && echo MOUNTED');
      assert.doesNotMatch(bpf, /MOUNTED/);
    });

    test('finds none of this machine’s keys', async () => {
      const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
      const [add, control] = process.arch === 'arm64' ? [217, 219] : [248, 250];
      const call = koffi.load(null).func('long syscall(long number, long a, long b, str c, str d, long e)');
      const addKey = koffi
        .load(null)
        .func('long syscall(long number, str type, str name, str payload, long size, long ring)');
      const [ring, session, link, unlink, search, read] = [-4, -3, 8, 9, 10, 11];
      const key = addKey(add, 'user', 'hek-canary', 'secret', 6, ring);
      assert(key > 0, 'root’s keyring takes a key');
      try {
        assert.equal(call(control, search, ring, 'user', 'hek-canary', 0), key, 'and gives it');
        const found = await attempt(
          python(
            `
import ctypes, sys
call = ctypes.CDLL(None).syscall
add, control = [int(one) for one in sys.argv[1:]]
call(control, ${link}, ${ring}, ${session})
payload = ctypes.create_string_buffer(64)
for key in [call(control, ${search}, ${ring}, b'user', b'hek-canary', 0), ${key}]:
    if call(control, ${read}, key, payload, 64) > 0: print('READ', payload.value)
if call(add, b'user', b'hek-other', b'x', 1, ${ring}) > 0: print('ADDED')
print('tried')`,
            add!,
            control!,
          ),
        );
        assert.equal(found, 'tried\n');
      } finally {
        call(control, unlink, key, null, null, 0);
      }
    });

    test('talks to none of this machine’s sockets without a file, and sees no memory of its', async () => {
      const name = `${prefix}-abstract`;
      const server = createServer((socket) => socket.end('the host\n'));
      await new Promise<void>((resolve) => server.listen(`\0${name}`, resolve));
      const { stdout } = await run('ipcmk', ['--shmem', '4242']);
      const id = /\d+/.exec(stdout)?.[0];
      try {
        const said = await new Promise((resolve) =>
          connect(`\0${name}`)
            .on('data', (data) => resolve(String(data)))
            .on('error', resolve),
        );
        assert.equal(said, 'the host\n', 'the socket answers on this machine');
        assert.match((await run('ipcs', ['--shmems'])).stdout, /4242/);
        const found = await attempt(
          python(`
import socket
abstract = socket.socket(socket.AF_UNIX)
try: abstract.connect('\\0${name}'); print('CONNECTED')
except ConnectionRefusedError: print('refused')`),
        );
        assert.equal(found, 'refused\n');
        const memory = await attempt('tail -n +2 /proc/sysvipc/shm; ls /dev/mqueue /dev/shm');
        assert.doesNotMatch(memory, /4242/);
      } finally {
        server.close();
        if (id !== undefined) await run('ipcrm', ['--shmem-id', id]);
      }
    });

    test('traces no process but its own, and kills no other when it kills all', async () => {
      const canary = spawn('sleep', ['62.4242'], { stdio: 'ignore' });
      const gone = new Promise((resolve) => canary.once('exit', () => resolve('gone')));
      try {
        const traced = await attempt(
          python(
            `
import ctypes, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
for pid in [int(one) for one in sys.argv[1:]]:
    if libc.ptrace(16, pid, 0, 0) == 0:
        os.waitpid(pid, 0x40000000); libc.ptrace(17, pid, 0, 0)
        print(open('/proc/%d/cmdline' % pid).read())
child = os.fork()
if child == 0: signal.pause()
print('own', libc.ptrace(16, child, 0, 0)); os.kill(child, 9)`,
            canary.pid!,
            process.pid,
          ),
        );
        assert.match(traced, /own 0\n$/, 'it may trace what is its own');
        assert.doesNotMatch(traced, /62\.4242|node/);
        // All but init, which is systemd and starts the rest again.
        await inside(region, prisoner.id, 'kill -9 -1');
        assert.equal(await attempt('echo well', neighbour), 'well\n');
        const { Account } = await region.aws('sts', 'get-caller-identity');
        assert.equal(Account, '000000000000');
        await until('the instance is itself again', 30_000, async () =>
          (await attempt('echo here')) === 'here\n' ? true : undefined,
        );
        assert.equal(await Promise.race([gone, 'alive']), 'alive');
      } finally {
        canary.kill();
      }
    });
  });

  describe('limits,', () => {
    const host = findCgroupHost();

    test('leaves its group for no other, and gives itself none of its own without limits', async () => {
      const escaped = `sleep 63.4242 & p=$!
        for d in /sys/fs/cgroup /sys/fs/cgroup/.. /proc/1/root/sys/fs/cgroup/../..; do echo $p > $d/cgroup.procs; done
        mkdir -p /sys/fs/cgroup/free && echo $p > /sys/fs/cgroup/free/cgroup.procs && echo its own
        for f in memory.max pids.max cpu.max memory.high; do
          for d in /sys/fs/cgroup /sys/fs/cgroup/free; do echo max > $d/$f; done; done
        unshare -UrmC sh -c 'mkdir -p /mnt/c; mount -t cgroup2 none /mnt/c && echo '$p' > /mnt/c/cgroup.procs'
        true`;
      await attempt(`(${escaped}) > /dev/null 2>&1`);
      const [pid] = processesNamed('63.4242');
      assert(pid, 'it runs');
      const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
      const own = `/${cgroupParent(layout)}/${prisoner.id}/`;
      const limited = groups.filter((line) => /:(|memory|pids|cpu|cpu,cpuacct|devices):/.test(line));
      assert(limited.length > 0);
      for (const line of limited) assert(line.includes(own), line);
      await attempt('pkill -f 63.4242; rmdir /sys/fs/cgroup/free');
    });

    test('takes no more processor than its type has, however it asks', async () => {
      const spent = await attempt(
        python(`
import os, resource, time
try: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)); print('REALTIME')
except PermissionError: pass
os.nice(-20)
for path in ['cpu.max', 'cpu.weight']:
    try: open('/sys/fs/cgroup/' + path, 'w').write('max')
    except OSError: pass
began = time.monotonic()
for _ in range(4):
    if os.fork() == 0:
        while time.monotonic() < began + 2: pass
        os._exit(0)
for _ in range(4): os.wait()
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print((used.ru_utime + used.ru_stime) / (time.monotonic() - began))`),
      );
      assert.doesNotMatch(spent, /REALTIME/);
      const processors = Number(spent);
      // A period of 100 ms may be under way at either end.
      assert(processors > 0.1 && processors < 1.15, `a t2.micro has one: ${processors}`);
    });

    test('fills no disk but its own: not by a file, not by what the host shows it, not by its console', async () => {
      const folders = [layoutState, layout.runDirectory];
      // Others write to this machine's disks too: what is counted is what stands in this region's folders.
      const usedKib = async (): Promise<number> => {
        const { stdout } = await run('du', ['--summarize', '--one-file-system', '-k', ...folders]);
        const sizes = stdout.trim().split('\n').map(Number.parseFloat);
        assert(sizes.length === folders.length && sizes.every((size) => size > 0), stdout);
        return sizes.reduce((sum, size) => sum + size, 0);
      };
      const before = await usedKib();
      const said = await attempt(`
        dd if=/dev/zero of=/root/own bs=1M count=20 2>/dev/null && echo own
        fallocate -l 9G /root/fill && echo FILLED; rm -f /root/fill /root/own
        for f in $(mount | cut -d ' ' -f 3 | sort -u) /dev/holdfast-end /dev/holdfast/fill /sys/block/fill; do
          case $f in /proc*|/dev/console|/dev/pts|/dev/mqueue|/) continue;; esac
          test -d $f && f=$f/fill
          head -c 64M /dev/zero 2>/dev/null > $f && echo "$f FILLED $(stat -f -c %T $f)"; done 2>/dev/null
        rm -f /tmp/fill /run/fill /dev/shm/fill /run/lock/fill`);
      const [own, ...filled] = said
        .trim()
        .split('\n')
        .filter((line) => !line.includes('fallocate'));
      assert.equal(own, 'own');
      // Memory of its own, as its limit has it.
      assert.deepEqual(
        filled.filter((line) => !line.endsWith(' tmpfs')),
        [],
      );
      await attempt('timeout 6 yes 0123456789 > /dev/console; true');
      const console = `${layoutState}/machines/${prisoner.id}/console.log`;
      await until('the console takes no more than it may', 30_000, async () =>
        statSync(console).blocks * 512 < 16 * 2 ** 20 ? true : undefined,
      );
      assert((await usedKib()) - before < 512 * 1024, 'this machine has its disk still');
    });

    test('keeps none of its processes when it is terminated, wherever they hid', async () => {
      assert(host);
      const [third] = await launch(region, '--instance-type', 't2.micro');
      assert(third);
      await attempt(
        `setsid unshare -UrpnmfC --kill-child=KILL sh -c 'sleep 64.4242' > /dev/null 2>&1 &
        setsid nohup sh -c 'trap "" TERM HUP INT; sleep 64.4242; sleep 64.4242' > /dev/null 2>&1 &`,
        third,
      );
      // A shell and a sleep of each, and what holds the namespaces of one.
      await until('they run', 30_000, async () => processesNamed('64.4242').length >= 4 || undefined);
      await region.aws('ec2', 'terminate-instances', '--instance-ids', third.id);
      await until('all of it is gone', 30_000, async () =>
        processesNamed('64.4242').length === 0 ? true : undefined,
      );
    });
  });

  describe('the wire,', () => {
    test('flushes rules, links and settings of its own network only', async () => {
      const [before, guard] = [networkSettings(), runNft(undefined, `list table inet ${hostTable(layout)}`)];
      const mine = readlinkSync('/proc/self/ns/net');
      try {
        const said = await attempt(`
          (nft flush ruleset; ip link; ip netns) 2>&1 | grep -E 'host|${prefix}'
          readlink /proc/[0-9]*/ns/net | sort -u
          find /proc/sys/net -type f -writable | grep -vE '/(conf|neigh)/|ip_forward|disable|icmp_echo' | while read f; do
            v=$(cat $f 2>/dev/null) && case "$v" in ''|*[!0-9]*) ;; *) echo $((v + 1)) > $f && echo "$v" > $f;; esac
          done 2>/dev/null`);
        const namespaces = said.trim().split('\n');
        assert.equal(namespaces.length, 1, said);
        assert.match(namespaces[0] ?? '', /^net:\[\d+\]$/);
        assert.notEqual(namespaces[0], mine);
        assert.equal(runNft(undefined, `list table inet ${hostTable(layout)}`), guard);
        const now = networkSettings();
        const changed = [...before].filter(([path, value]) => now.get(path) !== value).map(([path]) => path);
        assert.deepEqual(changed, []);
      } finally {
        const now = networkSettings();
        for (const [path, value] of before) if (now.get(path) !== value) writeFileSync(path, value);
      }
    });

    test('is taken for no other instance: not by ARP, not by its address, not by its hardware address', async () => {
      const serve = (instance: Instance, text: string): Promise<string> =>
        attempt(
          `mkdir -p /srv/w && echo ${text} > /srv/w/index.html &&
           systemd-run --quiet --unit=served-${Date.now()} python3 -m http.server 8080 --directory /srv/w &&
           for _ in $(seq 300); do curl -s -o /dev/null localhost:8080 && break; sleep 0.1; done`,
          instance,
        );
      const listener = `
import json, socket, sys, threading, time
heard, honest = [], sys.argv[1]
def packets():
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); raw.settimeout(0.2)
    while time.monotonic() < end:
        try: frame, where = raw.recvfrom(2048)
        except TimeoutError: continue
        if where[2] != socket.PACKET_OUTGOING and b'hek-frame' in frame: heard.append('frame')
end = time.monotonic() + 90
thread = threading.Thread(target=packets); thread.start()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(('', 9999)); udp.settimeout(0.2)
open('/run/listening', 'w').close()
while time.monotonic() < end:
    try: data, source = udp.recvfrom(100)
    except TimeoutError: continue
    heard.append(source[0])
    if source[0] == honest: end = min(end, time.monotonic() + 0.5)
thread.join()
print(json.dumps(sorted(set(heard))))`;
      await Promise.all([serve(neighbour, 'neighbour'), serve(prisoner, 'prisoner')]);
      const groups = ['describe-security-groups', '--query', 'SecurityGroups[0].GroupId'];
      const open = ['--protocol', 'tcp', '--port', '8080', '--cidr', '0.0.0.0/0'];
      const group: string = await region.aws('ec2', ...groups);
      await region.aws('ec2', 'authorize-security-group-ingress', '--group-id', group, ...open);
      const gateway = (await attempt("ip route show default | cut -d ' ' -f 3")).trim();
      const heard = attempt(python(listener, prisoner.privateAddress), neighbour);
      await attempt('for _ in $(seq 600); do test -e /run/listening && break; sleep 0.05; done', neighbour);
      const lies = python(
        `
import re, socket, struct, subprocess, sys, time
own, victim, gateway, public = sys.argv[1:]
def hardware(text): return bytes.fromhex(text.replace(':', ''))
mac = hardware(open('/sys/class/net/eth0/address').read().strip())
subprocess.run(['ping', '-c', '1', '-W', '1', gateway], stdout=subprocess.DEVNULL)
near = hardware(re.search(r'lladdr (\\S+)', subprocess.run(['ip', 'neigh', 'show', gateway], capture_output=True, text=True).stdout)[1])
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); wire.bind(('eth0', 0))
def arp(op, address, to): 
    body = struct.pack('!HHBBH', 1, 0x0800, 6, 4, op) + mac + socket.inet_aton(address) + to + socket.inet_aton(address)
    wire.send(to + mac + b'\\x08\\x06' + body)
def total(data):
    n = sum(struct.unpack('!%dH' % (len(data) // 2), data)); n = (n >> 16) + (n & 65535); return 65535 & ~(n + (n >> 16))
def udp(source, ether):
    data = b'hek-frame ' + b' ' * 10
    segment = struct.pack('!HHHH', 9998, 9999, 8 + len(data), 0) + data
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(segment), 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(victim))
    head = head[:10] + struct.pack('!H', total(head)) + head[12:]
    wire.send(near + ether + b'\\x08\\x00' + head + segment)
everyone = b'\\xff' * 6
for _ in range(20):
    for address in [victim, gateway]:
        for to in [everyone, near]:
            arp(1, address, to); arp(2, address, to)
    for source in [victim, gateway, public, '169.254.169.254', '127.0.0.1', '172.31.99.99', '0.0.0.0']:
        udp(source, mac)
    # Frames that are no IPv4 at all, to all and to the router.
    for kind in [b'\\x86\\xdd', b'\\x88\\xb5', b'\\x81\\x00']:
        for to in [everyone, near]: wire.send(to + mac + kind + b'hek-frame' * 8)
    time.sleep(0.02)
udp(own, mac)
subprocess.run(['ip', 'address', 'add', victim + '/32', 'dev', 'eth0'])
print('told')`,
        prisoner.privateAddress,
        neighbour.privateAddress,
        gateway,
        neighbour.publicAddress ?? '',
      );
      assert.match(await attempt(lies), /told\n$/);
      const { stdout } = await run('curl', ['-s', '-m', '20', `http://${neighbour.publicAddress}:8080/`]);
      const asked = await attempt(`curl -s -m 20 http://${neighbour.privateAddress}:8080/`, neighbour);
      await attempt(`ip address del ${neighbour.privateAddress}/32 dev eth0`);
      assert.deepEqual([stdout, asked], ['neighbour\n', 'neighbour\n']);
      // The honest packet came, as a frame and by its true address; nothing else did.
      assert.deepEqual(JSON.parse(await heard), [prisoner.privateAddress, 'frame'].toSorted());
    });

    test('has none of the control process’s own routes answer it', async () => {
      const sources = readdirSync(`${root}/packages/holdfast/src/control`).map((name) =>
        readFileSync(`${root}/packages/holdfast/src/control/${name}`, 'utf8'),
      );
      const known = new Set(sources.flatMap((text) => text.match(/\/_holdfast\/[a-z-]+/g) ?? []));
      assert(known.has('/_holdfast/faults') && known.size >= 3, [...known].join());
      const paths = [...known, '/_holdfast/faults/clear'].filter((path) => path !== '/_holdfast/health');
      const body = JSON.stringify({
        region: 'us-west-2',
        kind: 'instance',
        id: neighbour.id,
        instance: neighbour.id,
      });
      const asked = paths.flatMap((path) =>
        ['GET', 'POST'].map(
          (method) =>
            `printf '${method} ${path} '; curl -s -m 20 -o /dev/null -w '%{http_code}\\n' -X ${method} ` +
            `-H 'Host: localhost' -H 'X-Forwarded-For: 127.0.0.1' ${method === 'POST' ? `-d '${body}'` : ''} ` +
            `http://${serviceAddresses.api}:4566${path}`,
        ),
      );
      const said = (await attempt(asked.join('\n'))).trim().split('\n');
      assert.equal(said.length, asked.length);
      for (const line of said) assert.match(line, / 40[345]$/, line);
      assert(said.filter((line) => line.endsWith(' 403')).length >= 3, said.join('\n'));
      const faults = JSON.parse((await region.holdfast('fault', 'list', '--json')).stdout);
      assert.deepEqual(faults.faults ?? faults, []);
    });
  });
});
