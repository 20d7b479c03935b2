/** A number with its word in the right form. */

type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

const rules = new Map<string, Intl.PluralRules>();
const numbers = new Map<string, Intl.NumberFormat>();

function of<T>(made: Map<string, T>, locale: string, make: () => T): T {
  const known = made.get(locale) ?? make();
  made.set(locale, known);
  return known;
}

export function plural(locale: string, n: number, forms: Forms): string {
  const form = of(rules, locale, () => new Intl.PluralRules(locale)).select(n);
  const number = of(numbers, locale, () => new Intl.NumberFormat(locale)).format(n);
  return `${number} ${forms[form] ?? forms.other}`;
}
