/** What the store holds: one JSON document for each resource, wanted (`spec`) and observed (`status`) side by side. */
import type { TimeMs } from '../clock.ts';

/** Names one resource. Kinds that belong to no region (accounts, access keys) stand in the region `global`. */
export interface ResourceKey {
  /** Service and resource, such as `ec2.instance`. */
  readonly kind: string;
  readonly region: string;
  readonly id: string;
}

export type Tags = Readonly<Record<string, string>>;

export interface Resource<Spec = unknown, Status = unknown> extends ResourceKey {
  /** What this resource belongs to. Children name their owner; owners keep no lists. */
  readonly owner?: ResourceKey;
  /** Written by API calls only. */
  readonly spec: Spec;
  /** Written by exactly one loop, which its file names. */
  readonly status: Status;
  readonly tags: Tags;
  readonly createdAt: TimeMs;
  /** Store-wide number of the transaction that made it: the order in which listings show it. */
  readonly ordinal: number;
  /** Store-wide number of the transaction that last wrote it. */
  readonly revision: number;
}

/** A kind of resource with the shapes of its documents. The one value that `get`, `list` and `put` are typed by. */
export interface ResourceType<Spec, Status> {
  readonly kind: string;
  /** Never set; carries the types. */
  readonly shapes?: { spec: Spec; status: Status };
}

export type ResourceOf<Type> =
  Type extends ResourceType<infer Spec, infer Status> ? Resource<Spec, Status> : never;

export const resourceType = <Spec, Status>(kind: string): ResourceType<Spec, Status> => ({ kind });

export const keyText = (key: ResourceKey): string => `${key.kind}/${key.region}/${key.id}`;

export const keyOf = ({ kind, region, id }: ResourceKey): ResourceKey => ({ kind, region, id });
