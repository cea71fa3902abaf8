/** AWS Security Token Service: who am I, and keys that the region itself issues. */
import type * as sts from '@aws-sdk/client-sts';
import { AwsError } from '../common/errors.ts';
import type { RequestContext, Service } from '../common/service.ts';
import { accessKeys } from './access-key.ts';

function getCallerIdentity(
  _input: sts.GetCallerIdentityRequest,
  context: RequestContext,
): sts.GetCallerIdentityResponse {
  const { accountId, arn, userId } = context.principal;
  return { Account: accountId, Arn: arn, UserId: userId };
}

/**
 * Temporary keys of the caller. 15 minutes to 36 hours, 12 hours by default; the root user gets at most one hour.
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
 */
function getSessionToken(
  input: sts.GetSessionTokenRequest,
  context: RequestContext,
): sts.GetSessionTokenResponse {
  if (input.SerialNumber !== undefined || input.TokenCode !== undefined) {
    throw new AwsError('AccessDenied', 'MultiFactorAuthentication failed, Holdfast has no MFA devices.', 403);
  }
  const root = context.principal.arn.endsWith(':root');
  const longestS = root ? 3_600 : 129_600;
  const durationS = Math.min(input.DurationSeconds ?? 43_200, longestS);
  const expiresAt = context.now + durationS * 1000;
  const accessKeyId = `ASIA${base32(context.random.hex(10))}`;
  const secretAccessKey = Buffer.from(context.random.hex(30), 'hex').toString('base64');
  const sessionToken = Buffer.from(context.random.hex(96), 'hex').toString('base64');
  context.tx.create(accessKeys, {
    region: 'global',
    id: accessKeyId,
    spec: { secretAccessKey, sessionToken, expiresAt, principal: context.principal },
    status: null,
  });
  return {
    Credentials: {
      AccessKeyId: accessKeyId,
      SecretAccessKey: secretAccessKey,
      SessionToken: sessionToken,
      Expiration: new Date(expiresAt),
    },
  };
}

/** 16 characters of AWS's access key alphabet from 20 hexadecimal digits. */
function base32(hex: string): string {
  let bits = BigInt(`0x${hex}`);
  let text = '';
  for (let at = 0; at < 16; at += 1, bits >>= 5n)
    text += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number(bits & 31n)];
  return text;
}

export const stsService: Service = {
  name: 'sts',
  operations: { GetCallerIdentity: getCallerIdentity, GetSessionToken: getSessionToken },
  reconcilers: () => [],
};
