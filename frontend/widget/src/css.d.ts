/** Style sheets come as minified text (see build.mjs). */
declare module "*.css" {
  const text: string;
  export default text;
}
