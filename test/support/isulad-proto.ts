import { fromJSON, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';

/**
 * The messages of iSulad's event stream (shared/spec/isulad.md section 6) in an independent protobuf implementation, to
 * hold the hand-written codec against.
 */
export interface ProtoTimestamp {
  readonly seconds?: number;
  readonly nanos?: number;
}

export interface ProtoEvent {
  readonly timestamp: ProtoTimestamp;
  readonly opt: string;
  readonly id: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ProtoRequest {
  readonly since?: ProtoTimestamp;
  readonly until?: ProtoTimestamp;
  readonly storeOnly?: boolean;
  readonly id?: string;
}

/** `keyType` is in protobufjs' JSON form but not in its type of it. */
const schema: unknown = {
  nested: {
    google: {
      nested: {
        protobuf: {
          nested: { Timestamp: { fields: { seconds: { type: 'int64', id: 1 }, nanos: { type: 'int32', id: 2 } } } },
        },
      },
    },
    containers: {
      nested: {
        EventsRequest: {
          fields: {
            since: { type: 'google.protobuf.Timestamp', id: 1 },
            until: { type: 'google.protobuf.Timestamp', id: 2 },
            storeOnly: { type: 'bool', id: 3 },
            id: { type: 'string', id: 4 },
          },
        },
        Event: {
          fields: {
            timestamp: { type: 'google.protobuf.Timestamp', id: 1 },
            opt: { type: 'string', id: 2 },
            id: { type: 'string', id: 3 },
            annotations: { keyType: 'string', type: 'string', id: 4 },
          },
        },
        ContainerService: {
          methods: {
            Events: { requestType: 'EventsRequest', responseType: 'Event', responseStream: true },
            /** The other way round, to get at the other two functions as well. */
            Mirror: { requestType: 'Event', responseType: 'EventsRequest' },
          },
        },
      },
    },
  },
};

const definition = fromJSON(schema as Parameters<typeof fromJSON>[0], { keepCase: true, longs: Number });

const service = definition['containers.ContainerService'] as ServiceDefinition;

const events = service.Events as unknown as MethodDefinition<ProtoRequest, ProtoEvent>;
const mirror = service.Mirror as unknown as MethodDefinition<ProtoEvent, ProtoRequest>;

export function decodeEvent(message: Uint8Array): ProtoEvent {
  return events.responseDeserialize(Buffer.from(message));
}

export function encodeRequest(request: ProtoRequest): Uint8Array {
  return Uint8Array.from(events.requestSerialize(request));
}

export function decodeRequest(message: Uint8Array): ProtoRequest {
  return mirror.responseDeserialize(Buffer.from(message));
}

/** The message behind the five bytes that gRPC puts before it, which are checked. */
export function unframed(bytes: Uint8Array): Uint8Array {
  const { buffer, byteOffset, length } = bytes;
  const fields = new DataView(buffer, byteOffset, length);
  if (fields.getUint8(0) !== 0) throw new Error('the message says that it is compressed');
  if (fields.getUint32(1) !== length - 5)
    throw new Error(`${length - 5} bytes where ${fields.getUint32(1)} were announced`);
  return bytes.subarray(5);
}
