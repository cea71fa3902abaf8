/** The compute part of EC2: every operation and loop of instances, images, key pairs and launch templates. */
import type { Reconciler } from '../../reconcile/reconciler.ts';
import type { LoopContext, Operation } from '../common/service.ts';
import { faultLoop } from './fault/loop.ts';
import { copyImage } from './image/copy.ts';
import { createImage, deregisterImage, registerImage } from './image/create.ts';
import * as image from './image/describe.ts';
import { baseImageLoop, imageLoop } from './image/loop.ts';
import * as attributes from './instance/attributes.ts';
import { automaticRecoveryLoop } from './instance/automatic-recovery.ts';
import { getConsoleOutput, getPasswordData } from './instance/console.ts';
import { describeInstanceStatus, describeInstances } from './instance/describe.ts';
import { instanceLoop } from './instance/loop.ts';
import { instanceOptionOperations } from './instance/options.ts';
import * as power from './instance/power.ts';
import { recoveryLoop } from './instance/recovery-loop.ts';
import { runInstances } from './instance/run.ts';
import { instanceStatusLoop } from './instance/status-loop.ts';
import * as types from './instance-type-operations.ts';
import * as keyPair from './key-pair/operations.ts';
import { getLaunchTemplateData } from './launch-template/from-instance.ts';
import * as template from './launch-template/operations.ts';
import * as version from './launch-template/version-operations.ts';
import { placementGroupOperations } from './placement-group/operations.ts';

export { type LaunchRequest, launchInstances } from './instance/launch.ts';
export { instancesOf, terminateInstances } from './instance/power.ts';
export { type Recovery, recoverInstance } from './instance/recover.ts';
export { stateOf } from './instance/state.ts';
export { type ResolvedTemplate, resolveLaunchTemplate } from './launch-template/launch-template.ts';

export const computeOperations: Readonly<Record<string, Operation>> = {
  CopyImage: copyImage,
  CreateImage: createImage,
  CreateKeyPair: keyPair.createKeyPair,
  CreateLaunchTemplate: template.createLaunchTemplate,
  CreateLaunchTemplateVersion: template.createLaunchTemplateVersion,
  DeleteKeyPair: keyPair.deleteKeyPair,
  DeleteLaunchTemplate: template.deleteLaunchTemplate,
  DeleteLaunchTemplateVersions: version.deleteLaunchTemplateVersions,
  DeregisterImage: deregisterImage,
  DescribeImageAttribute: image.describeImageAttribute,
  DescribeImages: image.describeImages,
  DescribeInstanceAttribute: attributes.describeInstanceAttribute,
  DescribeInstanceStatus: describeInstanceStatus,
  DescribeInstanceTypeOfferings: types.describeInstanceTypeOfferings,
  DescribeInstanceTypes: types.describeInstanceTypes,
  DescribeInstances: describeInstances,
  DescribeKeyPairs: keyPair.describeKeyPairs,
  DescribeLaunchTemplateVersions: version.describeLaunchTemplateVersions,
  DescribeLaunchTemplates: template.describeLaunchTemplates,
  GetConsoleOutput: getConsoleOutput,
  GetLaunchTemplateData: getLaunchTemplateData,
  GetPasswordData: getPasswordData,
  ImportKeyPair: keyPair.importKeyPair,
  ModifyImageAttribute: image.modifyImageAttribute,
  ModifyInstanceAttribute: attributes.modifyInstanceAttribute,
  ModifyLaunchTemplate: template.modifyLaunchTemplate,
  RegisterImage: registerImage,
  ResetImageAttribute: image.resetImageAttribute,
  RebootInstances: power.rebootInstances,
  ResetInstanceAttribute: attributes.resetInstanceAttribute,
  RunInstances: runInstances,
  StartInstances: power.startInstances,
  StopInstances: power.stopInstances,
  TerminateInstances: power.terminate,
  ...instanceOptionOperations,
  ...placementGroupOperations,
};

export const computeReconcilers = (context: LoopContext): readonly Reconciler[] => [
  instanceLoop(context),
  instanceStatusLoop(context),
  recoveryLoop(context),
  automaticRecoveryLoop(context),
  faultLoop(context),
  imageLoop(context),
  baseImageLoop(context),
];
