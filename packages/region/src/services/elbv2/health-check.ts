/**
 * A target group's health check: AWS's defaults and ranges.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
 */
import type * as elb from '@aws-sdk/client-elastic-load-balancing-v2';
import type { HealthCheckSpec } from '../../drivers/loadbalancer.ts';
import { errors } from './errors.ts';
import type { HealthCheckSettings } from './records.ts';

export const defaultHealthCheck: HealthCheckSettings = {
  protocol: 'HTTP',
  port: 'traffic-port',
  path: '/',
  intervalS: 30,
  timeoutS: 5,
  healthyThreshold: 5,
  unhealthyThreshold: 2,
  matcher: '200',
};

type HealthCheckInput = Pick<
  elb.ModifyTargetGroupInput,
  | 'HealthCheckProtocol'
  | 'HealthCheckPort'
  | 'HealthCheckPath'
  | 'HealthCheckEnabled'
  | 'HealthCheckIntervalSeconds'
  | 'HealthCheckTimeoutSeconds'
  | 'HealthyThresholdCount'
  | 'UnhealthyThresholdCount'
  | 'Matcher'
>;

function inRange(what: string, value: number, from: number, to: number): number {
  if (value >= from && value <= to) return value;
  throw errors.validation(`${what} '${value}' must be in the range ${from} - ${to}`);
}

function checkMatcher(matcher: string): string {
  const codes = matcher.split(',').flatMap((part) => part.split('-'));
  const ranges = /^\d{3}(-\d{3})?(,\d{3}(-\d{3})?)*$/.test(matcher);
  if (!ranges || codes.some((code) => Number(code) < 200 || Number(code) > 499)) {
    throw errors.validation(`Health check matcher HTTP code '${matcher}' must be within '200-499' inclusive`);
  }
  return matcher;
}

function checkPort(port: string): string {
  if (port === 'traffic-port') return port;
  if (/^\d+$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535) return port;
  throw errors.validation(
    `Health check port '${port}' must be 'traffic-port' or a number between 1 and 65535`,
  );
}

function checkPath(path: string): string {
  if (path.startsWith('/') && path.length <= 1024) return path;
  throw errors.validation(`Health check path '${path}' must begin with '/' and have at most 1024 characters`);
}

/** The settings after a request: what it names, and `current` for the rest. Throws `ValidationError`. */
export function healthCheckOf(input: HealthCheckInput, current: HealthCheckSettings): HealthCheckSettings {
  const protocol = input.HealthCheckProtocol ?? current.protocol;
  if (protocol === 'HTTPS') throw errors.unsupported('HTTPS health checks');
  if (protocol !== 'HTTP') {
    throw errors.validation(`Health check protocol '${protocol}' must be one of 'HTTP, HTTPS'`);
  }
  if (input.HealthCheckEnabled === false) {
    throw errors.validation('Health check enabled must be true for target groups with target type instance');
  }
  if (input.Matcher?.GrpcCode !== undefined) throw errors.unsupported('Matcher.GrpcCode');
  const intervalS = inRange(
    'Health check interval',
    input.HealthCheckIntervalSeconds ?? current.intervalS,
    5,
    300,
  );
  const timeoutS = inRange(
    'Health check timeout',
    input.HealthCheckTimeoutSeconds ?? current.timeoutS,
    2,
    120,
  );
  // 5 seconds each is what AWS takes when the interval is the shortest; anything above the interval it refuses.
  if (timeoutS > intervalS || (timeoutS === intervalS && intervalS !== 5)) {
    throw errors.validation('Health check timeout must be smaller than the health check interval');
  }
  return {
    protocol,
    port: checkPort(input.HealthCheckPort ?? current.port),
    path: checkPath(input.HealthCheckPath ?? current.path),
    intervalS,
    timeoutS,
    healthyThreshold: inRange(
      'Healthy threshold count',
      input.HealthyThresholdCount ?? current.healthyThreshold,
      2,
      10,
    ),
    unhealthyThreshold: inRange(
      'Unhealthy threshold count',
      input.UnhealthyThresholdCount ?? current.unhealthyThreshold,
      2,
      10,
    ),
    matcher: checkMatcher(input.Matcher?.HttpCode ?? current.matcher),
  };
}

/** As the load balancer driver takes it. */
export const driverHealthCheck = (settings: HealthCheckSettings): HealthCheckSpec => ({
  protocol: settings.protocol,
  ...(settings.port !== 'traffic-port' && { port: Number(settings.port) }),
  path: settings.path,
  intervalMs: settings.intervalS * 1000,
  timeoutMs: settings.timeoutS * 1000,
  healthyThreshold: settings.healthyThreshold,
  unhealthyThreshold: settings.unhealthyThreshold,
  matcher: settings.matcher,
  enabled: true,
});
