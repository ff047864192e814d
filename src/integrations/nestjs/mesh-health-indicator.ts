import { Inject, Injectable } from '@nestjs/common';
import type { Mesh } from '../../mesh-interface.ts';
import { meshToken } from './tokens.ts';

/** What Terminus takes from an indicator. */
export type MeshHealth = Readonly<
  Record<
    string,
    {
      readonly status: 'up' | 'degraded' | 'down';
      readonly message?: string;
      readonly controlPlanes: Readonly<Record<string, string>>;
    }
  >
>;

/**
 * The state of the mesh for `@nestjs/terminus`: `this.health.check([() => this.mesh.isHealthy()])`. `down` = a control plane has failed or
 * has not delivered yet, so that requests cannot be served; `degraded` = what was delivered last is in force, and its source is away.
 */
export class MeshHealthIndicator {
  private readonly mesh: Mesh;

  constructor(mesh: Mesh) {
    this.mesh = mesh;
  }

  isHealthy(key = 'mesh'): MeshHealth {
    const { controlPlanes } = this.mesh.status();
    const used = controlPlanes.filter(({ state }) => state !== 'not-used');
    const worst = used.find(({ state }) => state === 'failed' || state === 'connecting');
    const away = used.find(({ state }) => state === 'disconnected');
    const culprit = worst ?? away;
    return {
      [key]: {
        status: worst === undefined ? (away === undefined ? 'up' : 'degraded') : 'down',
        ...(culprit !== undefined && {
          message: `${culprit.source} is ${culprit.state}${culprit.error === undefined ? '' : `: ${culprit.error}`}`,
        }),
        controlPlanes: Object.fromEntries(used.map(({ source, state }) => [source, state])),
      },
    };
  }
}
Injectable()(MeshHealthIndicator);
Inject(meshToken)(MeshHealthIndicator, undefined, 0);
