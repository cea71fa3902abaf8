import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { ToyRegion } from './toy-region.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly code: string | undefined;
  readonly message: string | undefined;
}

export interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

export function ask(
  region: ToyRegion,
  { method = 'POST', path = '/', headers = {}, body }: Sent,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host: '127.0.0.1', port: region.port, method, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: text,
          code: /<Code>(.*?)<\/Code>/.exec(text)?.[1],
          message: /<Message>(.*?)<\/Message>/.exec(text)?.[1],
        });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Headers of a request that is signed by somebody unknown. */
export function dummy(service: string): Record<string, string> {
  return {
    authorization: `AWS4-HMAC-SHA256 Credential=test/20260301/eu-west-1/${service}/aws4_request, SignedHeaders=host;x-amz-date, Signature=00`,
    'x-amz-date': '20260301T000000Z',
  };
}

export const EC2 = 'Version=2016-11-15';
export const AUTOSCALING = 'Version=2011-01-01';

export const operations = {
  'ec2:DescribeInstances': () => ({ Reservations: [] }),
  'ec2:RunInstances': () => ({}),
  'ec2:CreateTags': () => undefined,
  'ec2:DescribeInstanceTypes': () => ({}),
  'ec2:DescribeNatGateways': () => ({}),
  'autoscaling:DescribeAutoScalingGroups': () => ({ AutoScalingGroups: [] }),
  'autoscaling:CreateAutoScalingGroup': () => undefined,
  'autoscaling:SetInstanceHealth': () => undefined,
  'sts:AssumeRoleWithWebIdentity': () => ({}),
};

export const call = (service: string, body: string): Sent => ({ headers: dummy(service), body });
