/**
 * A day with the stock AWS command line, as its user's manual would tell it, in two of AWS's regions side by side:
 * each step asserts what a person would see, from the web page on a public address to the group that replaces an instance.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { inside, until } from '../support/instances.ts';
import { withoutAws, withoutCommand, withoutInstances } from '../support/needs.ts';
import { type Finished, run, startRegion, type TestRegion } from '../support/region.ts';

const prefix = 'htc';
const publicCidr = '198.19.128.0/20';
const skip =
  withoutAws() ||
  withoutCommand('curl', 'apt-get install curl') ||
  withoutCommand('ssh', 'apt-get install openssh-client', '-V') ||
  (await withoutInstances());

/** A page on port 80, and the same on port 8080, which no security group will open; back after each boot. */
const userData = `#!/bin/bash
echo "user data runs as $(whoami)"
mkdir -p /srv/web
curl -s http://169.254.169.254/latest/meta-data/placement/region > /srv/web/index.html
for port in 80 8080; do
cat > /etc/systemd/system/web-$port.service <<UNIT
[Service]
ExecStart=/usr/bin/python3 -m http.server $port --directory /srv/web
Restart=always
[Install]
WantedBy=multi-user.target
UNIT
done
systemctl enable --now web-80 web-8080
echo once >> /root/ran
echo 'user data is done'
`;

let server: TestRegion;
let folder: string;

const curl = (url: string, ...options: string[]): Promise<Finished> =>
  run('curl', ['--silent', '--show-error', '--fail', '--max-time', '3', ...options, url]);

/** The page at `url`, as soon as there is one. */
const page = (url: string): Promise<string> =>
  until(`${url} answers`, 60_000, async () => {
    const { code, stdout } = await curl(url);
    return code === 0 ? stdout : undefined;
  });

function story(name: string): void {
  // biome-ignore lint/suspicious/noExplicitAny: each call has its own output
  const aws = (...args: string[]): Promise<any> => server.aws(...args, '--region', name);
  const instance = async (id: string) =>
    (await aws('ec2', 'describe-instances', '--instance-ids', id)).Reservations[0].Instances[0];
  const reaches = (id: string, state: string) =>
    until(
      `${id} is ${state}`,
      60_000,
      async () => {
        const found = await instance(id);
        return found.State.Name === state ? found : undefined;
      },
      300,
    );
  const keyFile = () => join(folder, `${name}.pem`);
  const ssh = (address: string, ...words: string[]): Promise<Finished> => {
    const options = [
      'StrictHostKeyChecking=no',
      'UserKnownHostsFile=/dev/null',
      'ConnectTimeout=20',
      'LogLevel=ERROR',
    ];
    return run('ssh', [
      '-i',
      keyFile(),
      ...options.flatMap((one) => ['-o', one]),
      `admin@${address}`,
      ...words,
    ]);
  };

  let image: string;
  let group: string;
  let subnets: string[];
  let vpc: string;
  let first: string;
  let second: string;
  let templated: string;
  const template = 'LaunchTemplateName=web,Version=$Default';

  test('says who and where one is', async () => {
    const who = await aws('sts', 'get-caller-identity');
    assert.equal(who.Account, '000000000000');
    assert.equal(who.Arn, 'arn:aws:iam::000000000000:root');
    const { Regions } = await aws('ec2', 'describe-regions');
    assert(Regions.some((one: { RegionName: string }) => one.RegionName === name));
    const { AvailabilityZones: zones } = await aws('ec2', 'describe-availability-zones');
    assert(zones.length >= 3);
    for (const zone of zones) assert.match(zone.ZoneName, new RegExp(`^${name}[a-d]$`));
    const { Vpcs } = await aws('ec2', 'describe-vpcs');
    assert.deepEqual(
      Vpcs.map((one: { IsDefault: boolean; CidrBlock: string }) => [one.IsDefault, one.CidrBlock]),
      [[true, '172.31.0.0/16']],
    );
    vpc = Vpcs[0].VpcId;
    const { Subnets } = await aws('ec2', 'describe-subnets', '--filters', 'Name=default-for-az,Values=true');
    assert.deepEqual(
      Subnets.map((one: { AvailabilityZone: string }) => one.AvailabilityZone).toSorted(),
      zones.map((one: { ZoneName: string }) => one.ZoneName).toSorted(),
    );
    subnets = Subnets.slice(0, 2).map((one: { SubnetId: string }) => one.SubnetId);
    const { SecurityGroups } = await aws('ec2', 'describe-security-groups');
    assert.deepEqual(
      SecurityGroups.map((one: { GroupName: string }) => one.GroupName),
      ['default'],
    );
    const images = await aws(
      'ec2',
      'describe-images',
      '--owners',
      'amazon',
      '--query',
      'sort_by(Images, &CreationDate)',
    );
    assert.match(images.at(-1).Name, /^debian-12-/);
    image = images.at(-1).ImageId;
  });

  test('makes a key pair and a security group', async () => {
    const key = await aws('ec2', 'create-key-pair', '--key-name', 'mykey');
    assert.match(key.KeyMaterial, /^-----BEGIN RSA PRIVATE KEY-----/);
    writeFileSync(keyFile(), `${key.KeyMaterial}\n`, { mode: 0o600 });
    const made = await aws(
      'ec2',
      'create-security-group',
      '--group-name',
      'web',
      '--description',
      'SSH and HTTP',
    );
    group = made.GroupId;
    for (const port of ['22', '80']) {
      const ingress = ['--protocol', 'tcp', '--port', port, '--cidr', '0.0.0.0/0'];
      await aws('ec2', 'authorize-security-group-ingress', '--group-id', group, ...ingress);
    }
    const twice = ['--protocol', 'tcp', '--port', '80', '--cidr', '0.0.0.0/0', '--region', name];
    const refused = await server.awsFails(
      'ec2',
      'authorize-security-group-ingress',
      '--group-id',
      group,
      ...twice,
    );
    assert.match(refused.stderr, /InvalidPermission\.Duplicate/);
  });

  test('launches two instances and waits for them', async () => {
    const file = join(folder, `${name}-user-data.sh`);
    writeFileSync(file, userData);
    const { Instances } = await aws(
      ...['ec2', 'run-instances', '--image-id', image, '--instance-type', 't3.micro', '--count', '2'],
      ...['--key-name', 'mykey', '--security-group-ids', group, '--subnet-id', subnets[0] ?? ''],
      ...['--user-data', `file://${file}`],
      ...['--tag-specifications', 'ResourceType=instance,Tags=[{Key=Name,Value=web}]'],
    );
    assert.deepEqual(
      Instances.map((one: { State: { Name: string } }) => one.State.Name),
      ['pending', 'pending'],
    );
    [first, second] = Instances.map((one: { InstanceId: string }) => one.InstanceId);
    await aws('ec2', 'wait', 'instance-running', '--instance-ids', first, second);
    await aws('ec2', 'wait', 'instance-status-ok', '--instance-ids', first, second);
    const { InstanceStatuses } = await aws('ec2', 'describe-instance-status', '--instance-ids', first);
    assert.equal(InstanceStatuses[0].InstanceStatus.Status, 'ok');
    assert.equal(InstanceStatuses[0].SystemStatus.Status, 'ok');
  });

  test('opens the page through the security group, and nothing else', async () => {
    const { PublicIpAddress } = await instance(first);
    assert.match(PublicIpAddress, /^198\.19\.1(2[89]|3\d|4[0-3])\./);
    assert.equal(await page(`http://${PublicIpAddress}/`), name);
    const shut = await curl(`http://${PublicIpAddress}:8080/`, '--connect-timeout', '1.5');
    assert.equal(shut.code, 28, `silence, no refusal: ${shut.stderr}`);
    assert.equal(
      (await inside(server, first, 'curl -s localhost:8080')).stdout,
      name,
      'though something listens',
    );
  });

  test('lets its key in, and nobody without', async () => {
    const { PublicIpAddress } = await instance(first);
    const root = await ssh(PublicIpAddress, 'sudo', 'whoami');
    assert.equal(root.stdout, 'root\n', root.stderr);
    const options = [
      '-o',
      'StrictHostKeyChecking=no',
      '-o',
      'UserKnownHostsFile=/dev/null',
      '-o',
      'BatchMode=yes',
    ];
    const stranger = await run('ssh', ['-i', '/dev/null', ...options, `admin@${PublicIpAddress}`, 'true']);
    assert.equal(stranger.code, 255);
    assert.match(stranger.stderr, /Permission denied/);
  });

  test('shows the console, and finds instances by filter and query', async () => {
    const output: string = await until('the console shows the end of the user data', 30_000, async () => {
      const { Output } = await aws('ec2', 'get-console-output', '--instance-id', first, '--latest');
      return Output.includes('user data is done') ? Output : undefined;
    });
    assert.match(output, /user data runs as root/);
    const filters = ['Name=tag:Name,Values=w*', 'Name=instance-state-name,Values=running'];
    const query = 'Reservations[].Instances[].InstanceId';
    const found = await aws('ec2', 'describe-instances', '--filters', ...filters, '--query', query);
    assert.deepEqual(found.toSorted(), [first, second].toSorted());
    const none = await aws(
      'ec2',
      'describe-instances',
      '--filters',
      'Name=tag:Name,Values=nobody',
      '--query',
      query,
    );
    assert.deepEqual(none, []);
  });

  test('stops, starts and reboots: the disk and the private address stay, the public one goes', async () => {
    const was = await instance(second);
    const { StoppingInstances } = await aws('ec2', 'stop-instances', '--instance-ids', second);
    assert.equal(StoppingInstances[0].PreviousState.Name, 'running');
    const stopped = await reaches(second, 'stopped');
    assert.equal(stopped.PublicIpAddress, undefined);
    assert.equal(stopped.PrivateIpAddress, was.PrivateIpAddress);
    assert.equal(stopped.StateReason.Code, 'Client.UserInitiatedShutdown');
    await aws('ec2', 'start-instances', '--instance-ids', second);
    const started = await reaches(second, 'running');
    assert.equal(started.PrivateIpAddress, was.PrivateIpAddress);
    assert.equal(await page(`http://${started.PublicIpAddress}/`), name);
    const boots = 'cut -d" " -f22 /proc/1/stat; cat /root/ran';
    const before = (await inside(server, second, boots)).stdout;
    assert.match(before, /^\d+\nonce\n$/, 'user data ran once');
    await aws('ec2', 'reboot-instances', '--instance-ids', second);
    await until('it has rebooted', 60_000, async () => {
      const now = await inside(server, second, boots);
      return now.code === 0 && now.stdout !== before ? true : undefined;
    });
    assert.equal((await instance(second)).PublicIpAddress, started.PublicIpAddress);
    assert.equal(await page(`http://${started.PublicIpAddress}/`), name);
  });

  test('makes an image of a disk and launches from it', async () => {
    const { ImageId } = await aws(
      'ec2',
      'create-image',
      '--instance-id',
      first,
      '--name',
      'web',
      '--no-reboot',
    );
    await until('the image is available', 30_000, async () => {
      const { Images } = await aws('ec2', 'describe-images', '--image-ids', ImageId);
      return Images[0].State === 'available' ? true : undefined;
    });
    await aws('ec2', 'wait', 'image-available', '--image-ids', ImageId);
    const launch = ['--image-id', ImageId, '--instance-type', 't3.micro', '--security-group-ids', group];
    const { Instances } = await aws('ec2', 'run-instances', ...launch);
    const copy = await reaches(Instances[0].InstanceId, 'running');
    assert.equal(await page(`http://${copy.PublicIpAddress}/`), name, 'the disk is really there');
    await aws('ec2', 'terminate-instances', '--instance-ids', copy.InstanceId);
    const gone = await reaches(copy.InstanceId, 'terminated');
    assert.equal(gone.PublicIpAddress, undefined);
    image = ImageId;
  });

  test('launches from a launch template’s default version', async () => {
    const data = (type: string): string =>
      JSON.stringify({ ImageId: image, InstanceType: type, SecurityGroupIds: [group] });
    const made = ['--launch-template-name', 'web', '--launch-template-data'];
    await aws('ec2', 'create-launch-template', ...made, data('t3.nano'));
    const { LaunchTemplateVersion } = await aws(
      'ec2',
      'create-launch-template-version',
      ...made,
      data('t3.micro'),
    );
    assert.equal(LaunchTemplateVersion.VersionNumber, 2);
    assert.equal(LaunchTemplateVersion.DefaultVersion, false);
    await aws('ec2', 'modify-launch-template', '--launch-template-name', 'web', '--default-version', '2');
    const { LaunchTemplates } = await aws('ec2', 'describe-launch-templates');
    assert.equal(LaunchTemplates[0].DefaultVersionNumber, 2);
    const { Instances } = await aws(
      // In the second of the zones that the load balancer will have.
      ...['ec2', 'run-instances', '--launch-template', template, '--subnet-id', subnets[1] ?? ''],
    );
    templated = Instances[0].InstanceId;
    assert.equal(Instances[0].InstanceType, 't3.micro');
    await reaches(templated, 'running');
  });

  test('balances load over two instances', async () => {
    const { TargetGroups } = await aws(
      ...[
        'elbv2',
        'create-target-group',
        '--name',
        'web',
        '--protocol',
        'HTTP',
        '--port',
        '80',
        '--vpc-id',
        vpc,
      ],
      ...['--health-check-interval-seconds', '5', '--health-check-timeout-seconds', '2'],
    );
    const target = TargetGroups[0].TargetGroupArn;
    const { LoadBalancers } = await aws(
      ...[
        'elbv2',
        'create-load-balancer',
        '--name',
        'web',
        '--subnets',
        ...subnets,
        '--security-groups',
        group,
      ],
    );
    const { LoadBalancerArn, DNSName } = LoadBalancers[0];
    assert.match(DNSName, new RegExp(`^web-\\d+\\.${name}\\.elb\\.`));
    await aws('elbv2', 'wait', 'load-balancer-available', '--load-balancer-arns', LoadBalancerArn);
    const forward = `Type=forward,TargetGroupArn=${target}`;
    const listener = ['--protocol', 'HTTP', '--port', '80', '--default-actions', forward];
    await aws('elbv2', 'create-listener', '--load-balancer-arn', LoadBalancerArn, ...listener);
    await until('the listener says that it has no targets', 30_000, async () => {
      const empty = await run('curl', ['-s', '-i', `http://${DNSName}/`]);
      return /^HTTP\/1.1 503/.test(empty.stdout) ? true : undefined;
    });
    const targets = ['--target-group-arn', target, '--targets', `Id=${first}`, `Id=${templated}`];
    await aws('elbv2', 'register-targets', ...targets);
    const states = async (): Promise<string[]> => {
      const health = await aws('elbv2', 'describe-target-health', '--target-group-arn', target);
      return health.TargetHealthDescriptions.map(
        (one: { TargetHealth: { State: string } }) => one.TargetHealth.State,
      );
    };
    await until('both targets are healthy', 40_000, async () =>
      (await states()).join() === 'healthy,healthy' ? true : undefined,
    );
    assert.equal(await page(`http://${DNSName}/`), name, 'on this machine');
    const seen = await inside(server, second, `curl -s --max-time 20 http://${DNSName}/`);
    assert.equal(seen.stdout, name, `in an instance: ${seen.stderr}`);
    await aws('elbv2', 'deregister-targets', '--target-group-arn', target, '--targets', `Id=${first}`);
    assert.deepEqual((await states()).toSorted(), ['draining', 'healthy']);
    assert.equal(await page(`http://${DNSName}/`), name, 'the other still serves');
    await aws('elbv2', 'delete-load-balancer', '--load-balancer-arn', LoadBalancerArn);
    await until('the target group is free', 20_000, async () => {
      const args = ['elbv2', 'delete-target-group', '--target-group-arn', target, '--region', name];
      return (await server.awsFails(...args)).code === 0 ? true : undefined;
    });
  });

  test('keeps a group at its size', async () => {
    const named = ['--auto-scaling-group-name', 'web'];
    await aws(
      ...['autoscaling', 'create-auto-scaling-group', ...named, '--launch-template', template],
      ...['--min-size', '1', '--max-size', '3', '--vpc-zone-identifier', subnets.join(',')],
    );
    interface Member {
      InstanceId: string;
      LifecycleState: string;
      AvailabilityZone: string;
    }
    const inService = (count: number, without = ''): Promise<Member[]> =>
      until(`${count} in service`, 30_000, async () => {
        const { AutoScalingGroups } = await aws('autoscaling', 'describe-auto-scaling-groups');
        const found = (AutoScalingGroups[0].Instances as Member[]).filter(
          (one) => one.LifecycleState === 'InService',
        );
        return found.length === count && found.every((one) => one.InstanceId !== without) ? found : undefined;
      });
    await inService(1);
    await aws('autoscaling', 'set-desired-capacity', ...named, '--desired-capacity', '2');
    const two = await inService(2);
    assert.equal(new Set(two.map((one) => one.AvailabilityZone)).size, 2, 'over both zones');
    const victim = two[0]?.InstanceId ?? '';
    await aws(
      ...['autoscaling', 'terminate-instance-in-auto-scaling-group', '--instance-id', victim],
      '--no-should-decrement-desired-capacity',
    );
    await inService(2, victim);
    await aws(
      'autoscaling',
      'update-auto-scaling-group',
      ...named,
      '--min-size',
      '0',
      '--desired-capacity',
      '0',
    );
    await inService(0);
    const { Activities } = await aws('autoscaling', 'describe-scaling-activities', ...named);
    const said = Activities.map((one: { Description: string }) => one.Description.replace(/ i-\w+.*/, ''));
    assert.equal(said.filter((one: string) => one.startsWith('Launching a new EC2 instance')).length, 3);
    await until('all three are terminated', 20_000, async () => {
      const after = await aws('autoscaling', 'describe-scaling-activities', ...named);
      const ended = after.Activities.filter(
        (one: { Description: string; StatusCode: string }) =>
          one.Description.startsWith('Terminating EC2 instance') && one.StatusCode === 'Successful',
      );
      return ended.length === 3 ? true : undefined;
    });
    await aws('autoscaling', 'delete-auto-scaling-group', ...named);
    await until('the group is gone', 20_000, async () => {
      const { AutoScalingGroups } = await aws('autoscaling', 'describe-auto-scaling-groups');
      return AutoScalingGroups.length === 0 ? true : undefined;
    });
  });

  test('terminates what is left', async () => {
    const ids = [first, second, templated];
    const { TerminatingInstances } = await aws('ec2', 'terminate-instances', '--instance-ids', ...ids);
    assert.equal(TerminatingInstances.length, 3);
    for (const id of ids) await reaches(id, 'terminated');
    await aws('ec2', 'wait', 'instance-terminated', '--instance-ids', ...ids);
    await aws('ec2', 'delete-security-group', '--group-id', group);
    await aws('ec2', 'delete-key-pair', '--key-name', 'mykey');
  });
}

describe('the stock command line', { skip, timeout: 420_000, concurrency: true }, () => {
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-stock-cli-'));
    server = await startRegion({ prefix, publicCidr, driver: 'linux' });
  });
  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await server?.down();
  });
  for (const name of ['us-west-2', 'ap-northeast-2']) {
    describe(`in ${name}`, { concurrency: false }, () => story(name));
  }
});
