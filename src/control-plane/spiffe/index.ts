/**
 * Identity from the SPIFFE Workload API (a SPIRE agent, and what speaks like one): our certificate and key, the trust bundle of our own
 * trust domain and of federated ones, rotated as the agent says; JWT-SVIDs on request.
 */
import { MeshError } from '../../base/errors.ts';
import { holdingProcess } from '../../base/runtime.ts';
import type { ControlPlane, ControlPlaneStatus, IdentitySource } from '../../model/contracts.ts';
import { createWorkloadApi } from './client.ts';
import { watchJwtBundles, type JwtBundleListener } from './jwt-bundles.ts';
import { claimsOf, JwtSvid } from './jwt-svid.ts';
import { JwtSvids } from './jwt-svids.ts';
import { readValidated, writeValidateRequest } from './messages.ts';
import { spiffeSettings, type SpiffeOptions, type SpiffeSettings } from './options.ts';
import { watchMaterial } from './watch-material.ts';

export { WorkloadApiError } from './client.ts';
export { JwtSvid } from './jwt-svid.ts';
export type { JwtBundleListener, JwtBundles } from './jwt-bundles.ts';
export type { SpiffeOptions } from './options.ts';

/** Tokens of the workload, beside its certificates. */
export interface JwtSource {
  /**
   * A token for the audience, of the identity chosen by the options or of `spiffeId`. It is kept for half of its life; while another
   * one cannot be had the old one serves until it expires. Throws a TypeError without an audience, rejects with a MeshError.
   */
  fetchJwtSvid(audience: string | readonly string[], options?: { readonly spiffeId?: string }): Promise<JwtSvid>;
  /** Has the Workload API verify a token that someone showed us. Rejects with a MeshError that says why it is no good. */
  validateJwtSvid(token: string | JwtSvid, audience: string): Promise<ValidatedJwtSvid>;
  /** Follows the keys by which tokens are verified, until the signal aborts. */
  watchJwtBundles(listener: JwtBundleListener, signal: AbortSignal): Promise<void>;
}

/** What a token proves. */
export interface ValidatedJwtSvid {
  readonly spiffeId: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** A control plane that brings identities and no services: it stands beside one that does. */
export interface SpiffeControlPlane extends ControlPlane, JwtSource {
  readonly identity: IdentitySource;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Identity from the Workload API, for a control plane of your own. Throws a TypeError for a wrong option or endpoint. */
export function spiffeIdentity(options: SpiffeOptions = {}, environment: Environment = process.env): IdentitySource & JwtSource {
  const settings = spiffeSettings(options, environment);
  return sourceOf(settings, () => {});
}

/**
 * Identity from the Workload API, for `createMesh({ controlPlane: ['mesh.yaml', spiffeControlPlane()] })`. A service asks for it with
 * `tls: { mode: mutual, identity: spiffe, peers: [spiffe://…] }`; each SVID has its SPIFFE ID as a name too. Throws a TypeError for a
 * wrong option or endpoint.
 */
export function spiffeControlPlane(options: SpiffeOptions = {}, environment: Environment = process.env): SpiffeControlPlane {
  const settings = spiffeSettings(options, environment);
  let last: ControlPlaneStatus | undefined;
  let listener: (status: ControlPlaneStatus) => void = (status) => {
    last = status;
  };
  const source = sourceOf(settings, (status) => listener(status));
  return {
    name: settings.name,
    identity: source,
    async run({ sink, signal }) {
      listener = (status) => sink.status(status);
      // It has no services: nobody waits for any.
      await sink.apply({ version: '', set: [], remove: [] });
      if (last !== undefined) sink.status(last);
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => resolve(), { once: true });
      });
    },
    fetchJwtSvid: (audience, wanted) => source.fetchJwtSvid(audience, wanted),
    validateJwtSvid: (token, audience) => source.validateJwtSvid(token, audience),
    watchJwtBundles: (bundleListener, signal) => source.watchJwtBundles(bundleListener, signal),
  };
}

/** Options from `spiffe:` (the variable says the endpoint) or `spiffe:unix:///path`. Throws a TypeError for another scheme. */
export function spiffeOptionsFromUrl(source: string): SpiffeOptions {
  const endpoint = /^spiffe:(.*)$/s.exec(source)?.[1];
  if (endpoint === undefined)
    throw new TypeError(`${JSON.stringify(source)} is not spiffe:; write spiffe: or spiffe:unix:///path`);
  return endpoint === '' ? {} : { endpoint };
}

/** The text of a token. Throws a TypeError for what is none, which is not quoted. */
function tokenOf(given: unknown): string {
  if (given instanceof JwtSvid) return given.reveal();
  if (typeof given === 'string') return given;
  throw new TypeError('spiffe: validateJwtSvid takes a token as text, or a JwtSvid');
}

function sourceOf(settings: SpiffeSettings, onStatus: (status: ControlPlaneStatus) => void): IdentitySource & JwtSource {
  const { endpoint, name, choice, clock, random } = settings;
  const api = createWorkloadApi(endpoint);
  const tokens = new JwtSvids(api, choice, clock);
  return {
    name: `SPIFFE Workload API at ${endpoint.text}`,
    run: (sink, signal) =>
      watchMaterial(
        { ...settings, api },
        {
          setSvid: (svid) => sink.setSvid(svid),
          setTrustBundle: (bundle) => sink.setTrustBundle(bundle),
          remove: (gone) => {
            if (gone === name) tokens.forget();
            sink.remove(gone);
          },
          status: (status) => {
            sink.status(status);
            onStatus(status);
          },
        },
        signal,
      ),
    fetchJwtSvid: (audience, { spiffeId } = {}) => holdingProcess(tokens.fetch(audience, spiffeId)),
    async validateJwtSvid(given, audience) {
      const token = tokenOf(given);
      const spiffeId = readValidated(await holdingProcess(api.ask('ValidateJWTSVID', writeValidateRequest(audience, token))));
      if (spiffeId === undefined || spiffeId === '')
        throw new MeshError('MESH_CONTROL_PLANE', 'the SPIFFE Workload API gave an answer that is no ValidateJWTSVIDResponse');
      return { spiffeId, claims: claimsOf(token) ?? {} };
    },
    watchJwtBundles: (listener, signal) => watchJwtBundles(api, listener, { clock, random, signal }),
  };
}
