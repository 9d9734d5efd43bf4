/* One completion's worker: Brython, the runner, the program, its checks. Whoever made it ends it.
   What is told goes through a port that only this closure has, so that a program cannot pose as its own judge. */
"use strict";
// Nothing is ever loaded from there: the library comes as one file, and the policy of the frame allows no request.
self.__BRYTHON__ = { brython_path: "https://brython.invalid/" };
self.onmessage = ({ data, ports: [port] }) => {
  self.onmessage = null;
  const send = port.postMessage.bind(port);
  const quiet = () => {};
  for (const name of ["log", "info", "warn", "error", "debug"]) console[name] = quiet;
  importScripts(data.brython);
  importScripts(data.library);
  const brython = self.__BRYTHON__;
  Object.assign(brython.precompiled, data.compiled);
  // As on a page opened from a disk: modules come from the library alone, and one that it lacks is a ModuleNotFoundError.
  brython.protocol = "file";
  // The runner as one more module of the library: compiled once, like them.
  brython.update_VFS({ check_runner: [".py", data.runner, []] });
  brython.importModule("check_runner");
  const run = brython.pyobj2jsobj(brython.module_getattr(brython.imported.check_runner, "run"));
  for (const name of data.modules) {
    try { brython.importModule(name); } catch (_) { /* the program will meet the same error, and say so */ }
  }
  port.onmessage = ({ data: { program, checks } }) => {
    port.onmessage = null;
    run(program, checks, (index, state, text) => { send({ step: [index, state, text] }); });
    send({ end: true });
  };
  // The library's modules as Brython compiled them, before any generated code: the next worker starts four times faster.
  send({ ready: { ...brython.precompiled } });
};
