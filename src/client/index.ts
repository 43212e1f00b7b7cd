export type { ClientTls } from './address.ts';
export { type ErrorCode, type ErrorFamily, TocsinError } from '../event/errors.ts';
export type { Delivery, GapReason, Lagged, Timestamp, TocsinEvent } from '../event/event.ts';
export type { Environment } from './environment.ts';
export type { EventStream } from './event-stream.ts';
export type { ConnectionState, EventsOptions } from './events-query.ts';
export type { Piece } from './line-splitter.ts';
export type { ResumingStream } from './resuming-stream.ts';
export { type ClientOptions, TocsinClient } from './tocsin-client.ts';
