import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { MeshRequest } from '../../model/inbound.ts';
import { nodeRequest } from './node-request.ts';

/** A handler's parameter: what the mesh knows of the request (`caller: MeshRequest`), or one thing of it, `@MeshCaller('peer')`. */
export const MeshCaller = createParamDecorator((part: keyof MeshRequest | undefined, context: ExecutionContext): unknown => {
  const mesh = nodeRequest(context)?.mesh;
  return part === undefined ? mesh : mesh?.[part];
});
