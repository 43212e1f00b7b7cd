import type { Epochs } from '../event/epochs.ts';
import { assertNever } from '../event/errors.ts';
import type { DockerFormat, LaneFormat } from '../messages/control.ts';
import { DockerJsonEncoder, type DockerStyle } from './docker-json.ts';
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
  if (isDockerFormat(format)) return new DockerJsonEncoder(dockerStyle(format, epochs));
  switch (format) {
    case 'json-chunked':
      return new NativeJsonEncoder(epochs, 'chunked');
    case 'json-plain':
      return new NativeJsonEncoder(epochs, 'plain');
    case 'sse-chunked':
      return new NativeSseEncoder(epochs, 'chunked');
    case 'sse-plain':
      return new NativeSseEncoder(epochs, 'plain');
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

export function isDockerFormat(format: LaneFormat): format is DockerFormat {
  return format.startsWith('docker-');
}

function dockerStyle(format: DockerFormat, epochs: Epochs): DockerStyle {
  return {
    dialect: format.startsWith('docker-modern') ? 'modern' : format.startsWith('docker-legacy') ? 'legacy' : 'old',
    framing: format.endsWith('-chunked') ? 'chunked' : 'plain',
    isSequence: format.includes('-seq-'),
    cursors: format.includes('-cursor-') ? epochs : undefined,
  };
}
