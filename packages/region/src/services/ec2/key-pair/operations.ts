/** What the API does with key pairs. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { unsupported } from '../../common/errors.ts';
import { applyFilters, type FilterFields } from '../../common/filters.ts';
import { newId } from '../../common/names.ts';
import { prepared, type RequestContext } from '../../common/service.ts';
import { keyFormat, keyPairDuplicate, keyPairIdNotFound, keyPairNotFound } from '../compute-errors.ts';
import { invalidParameterValue, required } from '../errors.ts';
import { specifiedTags, tagList } from '../tags.ts';
import { createKey, importKey } from './formats.ts';
import { findKeyPair, type KeyPair, type KeyPairSpec, keyPairs } from './key-pair.ts';

const MAXIMUM_NAME_LENGTH = 255;

function newName(context: RequestContext, given: string | undefined): string {
  const name = required(given, 'KeyName');
  if (name.length > MAXIMUM_NAME_LENGTH) {
    throw invalidParameterValue(
      `Invalid value '${name}' for keyPairName. It must not exceed 255 ASCII characters.`,
    );
  }
  if (findKeyPair(context, name)) throw keyPairDuplicate(name);
  return name;
}

const record = (
  context: RequestContext,
  spec: KeyPairSpec,
  tags: ec2.TagSpecification[] | undefined,
): KeyPair =>
  context.tx.create(keyPairs, {
    region: context.region,
    id: newId(context, 'key'),
    spec,
    status: null,
    tags: specifiedTags(tags, 'key-pair'),
  });

export const createKeyPair = prepared(
  async (input: ec2.CreateKeyPairRequest) => {
    if (input.KeyFormat === 'ppk') throw unsupported('the key format ppk');
    const keyType = input.KeyType ?? 'rsa';
    return { keyType, key: await createKey(keyType) };
  },
  (input: ec2.CreateKeyPairRequest, context: RequestContext, { keyType, key }): ec2.KeyPair => {
    const { fingerprint, publicKey } = key;
    const name = newName(context, input.KeyName);
    const pair = record(
      context,
      { name, keyType, fingerprint, publicKey: `${publicKey} ${name}` },
      input.TagSpecifications,
    );
    return {
      KeyPairId: pair.id,
      KeyName: name,
      KeyFingerprint: fingerprint,
      KeyMaterial: key.privateKeyPem,
      Tags: tagList(pair.tags),
    };
  },
);

export function importKeyPair(
  input: ec2.ImportKeyPairRequest,
  context: RequestContext,
): ec2.ImportKeyPairResult {
  const material = required(input.PublicKeyMaterial, 'PublicKeyMaterial');
  const key = importKey(Buffer.from(material).toString());
  if (!key) throw keyFormat();
  const name = newName(context, input.KeyName);
  const pair = record(
    context,
    { name, keyType: key.keyType, fingerprint: key.fingerprint, publicKey: `${key.publicKey} ${name}` },
    input.TagSpecifications,
  );
  return { KeyPairId: pair.id, KeyName: name, KeyFingerprint: key.fingerprint, Tags: tagList(pair.tags) };
}

const fields: FilterFields<KeyPair> = {
  fingerprint: ({ spec }) => spec.fingerprint,
  'key-name': ({ spec }) => spec.name,
  'key-pair-id': ({ id }) => id,
};

export function describeKeyPairs(
  input: ec2.DescribeKeyPairsRequest,
  context: RequestContext,
): ec2.DescribeKeyPairsResult {
  const all = context.tx.list(keyPairs, context.region);
  const names = input.KeyNames ?? [];
  const ids = input.KeyPairIds ?? [];
  const lostName = names.find((name) => !all.some((pair) => pair.spec.name === name));
  if (lostName !== undefined) throw keyPairNotFound(lostName);
  const lostId = ids.find((id) => !all.some((pair) => pair.id === id));
  if (lostId !== undefined) throw keyPairIdNotFound(lostId);
  const named = all.filter(
    (pair) => names.length + ids.length === 0 || names.includes(pair.spec.name) || ids.includes(pair.id),
  );
  const shown = applyFilters(named, input.Filters, fields, (pair) => pair.tags);
  return {
    KeyPairs: shown.map(({ id, spec, createdAt, tags }) => ({
      KeyPairId: id,
      KeyName: spec.name,
      KeyType: spec.keyType,
      KeyFingerprint: spec.fingerprint,
      PublicKey: input.IncludePublicKey ? spec.publicKey : undefined,
      CreateTime: new Date(createdAt),
      Tags: tagList(tags),
    })),
  };
}

/** A name that does not exist is deleted with success, an id is not. */
export function deleteKeyPair(
  input: ec2.DeleteKeyPairRequest,
  context: RequestContext,
): ec2.DeleteKeyPairResult {
  if (input.KeyPairId) {
    const pair = context.tx.get(keyPairs, context.region, input.KeyPairId);
    if (!pair) throw keyPairIdNotFound(input.KeyPairId);
    context.tx.remove(pair);
    return { Return: true, KeyPairId: pair.id };
  }
  const pair = findKeyPair(context, required(input.KeyName, 'KeyName'));
  if (pair) context.tx.remove(pair);
  return { Return: true, KeyPairId: pair?.id };
}
