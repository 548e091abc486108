#!/usr/bin/env node
// The way into everything: runs straight after a clone, before anything is installed, so it needs Node.js alone.
//
//   node scripts/bootstrap.js setup|demo|test|bench|build|check [...]
//
// This file only looks at the version of Node.js, in words that an old one understands too; the rest is in tasks.js.

var needed = [20, 19];
var found = process.versions.node.split('.').map(Number);

if (found[0] < needed[0] || (found[0] === needed[0] && found[1] < needed[1])) {
  console.error(
    'slotkeeper needs Node.js ' +
      needed.join('.') +
      ' or later; this is ' +
      process.version +
      ' (' +
      process.execPath +
      ').',
  );
  process.exitCode = 1;
} else {
  import('./tasks.js').then(function (tasks) {
    return tasks.main(process.argv.slice(2));
  });
}
