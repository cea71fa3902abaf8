/** AWS Systems Manager: of Parameter Store, reading AWS's public parameters of images. */
import type { Service } from '../common/service.ts';
import { getParameter, getParameters, getParametersByPath } from './parameter.ts';

export const ssmService: Service = {
  name: 'ssm',
  operations: {
    GetParameter: getParameter,
    GetParameters: getParameters,
    GetParametersByPath: getParametersByPath,
  },
  reconcilers: () => [],
};
