/** How far the page has come. */

export const PARSED = /interactive|complete/;
export const LOADED = /complete/;

export function reached(state: RegExp): Promise<void> {
  return new Promise((done) => {
    const check = (): void => {
      if (state.test(document.readyState)) done();
    };
    check();
    document.addEventListener("readystatechange", check);
  });
}
