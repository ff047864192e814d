import type { IstioDocument } from './istiod.ts';

const namespace = 'shop';
const networking = 'networking.istio.io/v1';

/** `reviews.shop.svc.cluster.local`. */
export const hostOf = (service: string): string => `${service}.${namespace}.svc.cluster.local`;

/** One instance of a service. */
export interface Instance {
  readonly port: number;
  readonly address?: string;
  /** Label `version`, which subsets select by. */
  readonly version?: string;
  /** Its sidecar takes mutual TLS (label `security.istio.io/tlsMode`). */
  readonly isInMesh?: boolean;
  /** Default: that of the service's name. */
  readonly serviceAccount?: string;
  readonly weight?: number;
  readonly locality?: string;
}

/** Of the port of a service; `unnamed` leaves it to be found out. */
export type PortProtocol = 'HTTP' | 'HTTP2' | 'TCP' | 'unnamed';

/** A service in the namespace `shop` with a port 80, and its instances with the service account of its name. */
export function serviceOf(service: string, instances: readonly Instance[], protocol: PortProtocol = 'HTTP'): IstioDocument {
  const port = protocol.toLowerCase();
  return {
    apiVersion: networking,
    kind: 'ServiceEntry',
    metadata: { name: service, namespace },
    spec: {
      hosts: [hostOf(service)],
      ports: [{ number: 80, name: port, ...(protocol !== 'unnamed' && { protocol }) }],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      endpoints: instances.map(
        ({
          port: instancePort,
          address = '127.0.0.1',
          version,
          isInMesh = false,
          serviceAccount = service,
          weight,
          locality,
        }) => ({
          address,
          ports: { [port]: instancePort },
          labels: {
            app: service,
            ...(version !== undefined && { version }),
            'security.istio.io/tlsMode': isInMesh ? 'istio' : 'disabled',
          },
          ...(isInMesh && { serviceAccount }),
          ...(weight !== undefined && { weight }),
          ...(locality !== undefined && { locality }),
        }),
      ),
    },
  };
}

/** A VirtualService of the service with these rules. */
export function routesOf(service: string, http: readonly object[]): IstioDocument {
  return {
    apiVersion: networking,
    kind: 'VirtualService',
    metadata: { name: service, namespace },
    spec: { hosts: [hostOf(service)], http },
  };
}

/** A DestinationRule of the service. */
export function policyOf(service: string, spec: object): IstioDocument {
  return {
    apiVersion: networking,
    kind: 'DestinationRule',
    metadata: { name: service, namespace },
    spec: { host: hostOf(service), ...spec },
  };
}

/** A destination of a rule, with its share of 100. */
export function destination(service: string, subset?: string, weight?: number): object {
  return {
    destination: { host: hostOf(service), ...(subset !== undefined && { subset }) },
    ...(weight !== undefined && { weight }),
  };
}
