/** One HTTP handler that answers in every VPC: how the region serves its API to instances. */
import { createServer, type IncomingMessage, type ServerOptions, type ServerResponse } from 'node:http';
import { listenTcp } from '../host/namespace-sockets.ts';
import type { HostLayout } from '../layout.ts';
import { type RouterListeners, routerListeners } from './router-listeners.ts';

/** Who asks: the router has checked the source address. */
export interface VpcOrigin {
  readonly vpcId: string;
  readonly address: string;
}

export type VpcHandler = (request: IncomingMessage, response: ServerResponse, origin: VpcOrigin) => void;

export interface VpcListenersOptions {
  readonly server?: ServerOptions;
  readonly log?: (message: string, cause?: unknown) => void;
}

const MOST_CONNECTIONS = 1_024;

export class VpcListeners {
  readonly #listeners: RouterListeners;

  /** Serves `handler` on `address`:`port` of every VPC's router, once `sync` says which VPCs there are. */
  constructor(
    layout: HostLayout,
    address: string,
    port: number,
    handler: VpcHandler,
    { server: serverOptions = {}, log = () => {} }: VpcListenersOptions = {},
  ) {
    this.#listeners = routerListeners(layout, {
      log,
      open(vpcId, namespace) {
        const fd = listenTcp(namespace, address, port);
        const server = createServer(serverOptions, (request, response) =>
          handler(request, response, { vpcId, address: request.socket.remoteAddress ?? '' }),
        );
        server.maxConnections = MOST_CONNECTIONS;
        server.on('error', (error) => log(`serving ${vpcId}`, error));
        server.listen({ fd });
        return {
          close() {
            server.close();
            server.closeAllConnections();
          },
        };
      },
    });
  }

  /** Serves these VPCs and no others; one whose router is not there yet is served as soon as it is. */
  sync(vpcIds: Iterable<string>): void {
    this.#listeners.sync(new Map([...vpcIds].map((vpcId) => [vpcId, ''])));
  }

  /** The VPCs that are served now. */
  serving(): string[] {
    return this.#listeners.serving();
  }

  close(): void {
    this.#listeners.close();
  }
}
