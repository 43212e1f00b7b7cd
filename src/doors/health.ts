import type http from 'node:http';
import { TocsinError } from '../event/errors.ts';
import type { Pipeline } from '../runtime/pipeline.ts';
import { replyText } from './http-reply.ts';
import { metricsText } from './metrics.ts';

/**
 * What watches a daemon: is it there, does it work, how much of what does it do.
 * @returns false for any other path; @throws ERR_PIPELINE_CLOSED, ERR_HISTORY_UNWRITABLE, ERR_ACTOR_DIED, ERR_ASK_TIMEOUT
 */
export async function answerHealth(
  pipeline: Pipeline,
  pathname: string,
  response: http.ServerResponse,
): Promise<boolean> {
  switch (pathname) {
    case '/_ping':
    case '/healthz':
      replyText(response, 200, 'OK');
      return true;
    case '/readyz':
      if (pipeline.state !== 'running')
        throw new TocsinError('ERR_PIPELINE_CLOSED', `the pipeline is ${pipeline.state}`);
      if (!pipeline.isHistoryWritable) throw new TocsinError('ERR_HISTORY_UNWRITABLE', 'the history cannot be written');
      replyText(response, 200, 'OK');
      return true;
    case '/metrics': {
      const { contentType, text } = await metricsText(await pipeline.observe());
      replyText(response, 200, text, contentType);
      return true;
    }
    default:
      return false;
  }
}
