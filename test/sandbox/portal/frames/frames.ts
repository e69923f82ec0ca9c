import type { World } from '../world.ts';
import { addressOf } from './host-pages.ts';
import { type Opened, open, type Request } from './opening.ts';

/** Pages of the application as people open them, with a browser or without. */
export const createFrames = (world: World) => ({
  /** The address of the portal's page that holds the application's page in a frame. */
  address: (request: Request): string => addressOf(world, request),
  /** Posts what a browser would post, and nothing more. */
  open: (request: Request): Promise<Opened> => open(world, request),
  /** What pages said to the portal, in order. */
  messages: world.frameMessages,
  /** The main page of the application, which its form names. */
  setMainPage: (url: string): void => {
    world.app.mainUrl = url;
  },
  /** Takes a person off the application's access list; administrators stay on it. */
  closeApplication: (userId: number): void => void world.noApp.add(userId),
});
