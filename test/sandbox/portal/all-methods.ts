import { appMethods } from './app-methods.ts';
import { bizprocMethods } from './bizproc-methods.ts';
import { commentMethods } from './comment-methods.ts';
import { crmMethods } from './crm-methods.ts';
import { generatorMethods } from './generator/methods.ts';
import { templateMethods } from './generator/template-methods.ts';
import { itemMethods } from './item-methods.ts';
import { peopleMethods } from './people-methods.ts';
import { placementMethods } from './placement-methods.ts';
import { requisiteMethods } from './requisite-methods.ts';
import { robotMethods } from './robots.ts';
import { taskMethods } from './task-methods.ts';
import { timelineMethods } from './timeline-methods.ts';
import { userFieldMethods } from './user-fields.ts';
import type { Methods } from './wire.ts';
import type { World } from './world.ts';

/** Every method of the portal by its name. */
export function allMethods(world: World): Methods {
  const methods: Methods = {
    ...appMethods(world, () => methods),
    ...robotMethods(world),
    ...bizprocMethods(world),
    ...itemMethods(world),
    ...crmMethods(world),
    ...requisiteMethods(world),
    ...peopleMethods(world),
    ...userFieldMethods(world),
    ...timelineMethods(world),
    ...commentMethods(world),
    ...taskMethods(world),
    ...generatorMethods(world),
    ...templateMethods(world),
    ...placementMethods(world),
  };
  return methods;
}
