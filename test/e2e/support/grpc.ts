import path from 'node:path';
import type tls from 'node:tls';
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

/** The same over TLS. */
export function secureGrpcClient(port: number, { ca, cert, key }: tls.SecureContextOptions): Service {
  const credentials = grpc.credentials.createSsl(
    ca as Buffer,
    (key as Buffer | undefined) ?? null,
    (cert as Buffer | undefined) ?? null,
  );
  return new loaded.containers.ContainerService(`127.0.0.1:${port}`, credentials);
}

export function metadataOf(values: Readonly<Record<string, string>>): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(values)) metadata.set(name, value);
  return metadata;
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
