import type { Architecture } from '../spec';
import { albert } from './albert';
import { bert } from './bert';
import { deepseek } from './deepseek';
import { distilbert } from './distilbert';
import { gpt2 } from './gpt2';
import { gptNeox } from './gptNeox';
import { gptOss } from './gptOss';
import { granite } from './granite';
import { jetmoe } from './jetmoe';
import { llama } from './llama';
import { mixtral } from './mixtral';
import { opt } from './opt';
import { phi } from './phi';
import { qwenMoe } from './qwenMoe';

/** Every architecture file. Adding a family is adding a file and its line here. */
export const ARCHITECTURES: readonly Architecture[] = [gpt2, llama, mixtral, qwenMoe, granite, gptOss, deepseek, jetmoe, bert, distilbert, albert, gptNeox, opt, phi];
