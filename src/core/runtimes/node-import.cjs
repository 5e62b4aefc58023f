// Preloaded into node: what its own search does not find, `import` looks for in NODE_PATH too, as `require` does.
const { register, registerHooks } = require("node:module");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const isBare = (specifier) => !/^(?:\.{0,2}\/|\.{1,2}$|#|[a-z][a-z0-9+.-]*:)/i.test(specifier);

function* attempts(specifier, context) {
  yield [specifier, context];
  if (!isBare(specifier)) return;
  for (const dir of (process.env.NODE_PATH ?? "").split(path.delimiter).filter(path.isAbsolute)) {
    if (path.basename(dir) === "node_modules") {
      yield [specifier, { ...context, parentURL: pathToFileURL(path.join(dir, "../_")).href }];
    } else {
      yield [pathToFileURL(path.join(dir, specifier)).href, context];
    }
  }
}

// What is said of a module that is nowhere is what node said first.
function judge(error, first) {
  if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
  return first ?? error;
}

async function resolve(specifier, context, next) {
  let missing;
  for (const attempt of attempts(specifier, context)) {
    try {
      return await next(...attempt);
    } catch (error) {
      missing = judge(error, missing);
    }
  }
  throw missing;
}

function resolveSync(specifier, context, next) {
  let missing;
  for (const attempt of attempts(specifier, context)) {
    try {
      return next(...attempt);
    } catch (error) {
      missing = judge(error, missing);
    }
  }
  throw missing;
}

if (registerHooks) registerHooks({ resolve: resolveSync });
else if (register) {
  // Before node 22.15 hooks run in a thread of their own, which loads this file for them.
  exports.resolve = resolve;
  register(pathToFileURL(__filename));
}
