import type { Epochs } from '../event/epochs.ts';
import { assertNever } from '../event/errors.ts';
import type { LaneFormat } from '../messages/control.ts';
import { DockerJsonEncoder } from './docker-json.ts';
import type { Encoder } from './encoder.ts';
import { EventLogEncoder } from './event-log.ts';
import { IsuladGrpcEncoder } from './isulad-grpc.ts';
import { NativeJsonEncoder } from './native-json.ts';
import { NativeSseEncoder } from './native-sse.ts';

/** The record itself: for subscribers that read packed records. */
const packedEncoder: Encoder = {
  maxBytes: (recordBytes) => recordBytes,
  encode(event, out, pos) {
    const { at, byteLength } = event;
    out.set(event.bytes.subarray(at, at + byteLength), pos);
    return pos + byteLength;
  },
};

export function makeEncoder(format: LaneFormat, epochs: Epochs): Encoder {
  switch (format) {
    case 'json-chunked':
      return new NativeJsonEncoder(epochs, 'chunked');
    case 'json-plain':
      return new NativeJsonEncoder(epochs, 'plain');
    case 'sse-chunked':
      return new NativeSseEncoder(epochs, 'chunked');
    case 'sse-plain':
      return new NativeSseEncoder(epochs, 'plain');
    case 'docker-chunked':
      return new DockerJsonEncoder('modern', 'chunked');
    case 'docker-plain':
      return new DockerJsonEncoder('modern', 'plain');
    case 'docker-legacy-chunked':
      return new DockerJsonEncoder('legacy', 'chunked');
    case 'docker-legacy-plain':
      return new DockerJsonEncoder('legacy', 'plain');
    case 'isulad-grpc':
      return new IsuladGrpcEncoder();
    case 'event-log':
      return new EventLogEncoder();
    case 'packed':
      return packedEncoder;
    default:
      return assertNever(format);
  }
}
