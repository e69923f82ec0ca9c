import { resolvePackageName } from '../src/own-robots/package-name.ts';

// For tests of robots outside the package: node --import ./scripts/own-robots.ts --test FOLDER/*.test.ts
resolvePackageName();
