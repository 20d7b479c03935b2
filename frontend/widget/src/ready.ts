/** How far the page has come. */

export const reached = (state: RegExp): Promise<void> =>
  new Promise((done) => {
    const check = (): unknown => state.test(document.readyState) && done();
    document.addEventListener("readystatechange", check);
    check();
  });
