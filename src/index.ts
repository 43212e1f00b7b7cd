export type { ContainerRecord, ImageRecord } from './codec/monitor-record.ts';
export { createPipeline, type PipelineOptions } from './create-pipeline.ts';
export { sendContainerEvent, sendImageEvent } from './doors/send.ts';
export { type ErrorCode, type ErrorFamily, TocsinError } from './event/errors.ts';
export type {
  ContainerInfo,
  ContainerSpec,
  Delivery,
  GapReason,
  Lagged,
  NewEvent,
  Timestamp,
  TocsinEvent,
} from './event/event.ts';
export type { ClientInfo } from './messages/control.ts';
export type { CounterId, CounterValues } from './messages/counters.ts';
export { type Connection, openConnection } from './runtime/connection.ts';
export type { Published, PublishOrigin, PublishOutcome } from './runtime/publisher.ts';
export type { StateHandlerOptions, StateHandlers, StateHandlerStats } from './runtime/state-handlers.ts';
export type { Pipeline, PipelineState, PipelineStats } from './runtime/pipeline.ts';
export type { PushClient, PushClientFunctions } from './runtime/push-client.ts';
export type { Subscriber } from './runtime/subscriber.ts';
export type { SubscribeOptions } from './runtime/subscription.ts';
