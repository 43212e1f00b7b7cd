import path from 'node:path';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';
import { CHECKOUT } from '../../support/daemon.ts';

export interface GrpcEvent {
  readonly timestamp: { readonly seconds: string; readonly nanos: number };
  readonly opt: string;
  readonly id: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface GrpcTime {
  readonly seconds: string;
  readonly nanos: number;
}

export type EventsCall = grpc.ClientReadableStream<GrpcEvent>;

interface Service {
  Events(request: { since?: GrpcTime; until?: GrpcTime; id?: string }, metadata?: grpc.Metadata): EventsCall;
  close(): void;
}

const definition = protoLoader.loadSync(path.join(CHECKOUT, 'test/e2e/native/container.proto'), { longs: String });
const loaded = grpc.loadPackageDefinition(definition) as unknown as {
  readonly containers: {
    readonly ContainerService: new (address: string, credentials: grpc.ChannelCredentials) => Service;
  };
};

/** A stock grpc-js client of iSulad's service. */
export function grpcClient(socketPath: string): Service {
  return new loaded.containers.ContainerService(`unix://${socketPath}`, grpc.credentials.createInsecure());
}

/** Reads a stream to its end. */
export async function readAll(
  call: EventsCall,
): Promise<{ readonly events: GrpcEvent[]; readonly status: number; readonly details: string }> {
  const events: GrpcEvent[] = [];
  call.on('data', (event: GrpcEvent) => events.push(event));
  call.on('error', () => {});
  return new Promise((resolve) => {
    call.once('status', ({ code, details }: grpc.StatusObject) => resolve({ events, status: code, details }));
  });
}
