import { api, queryClient } from "@/shared/api/client";
import type { Rule, RuleBody } from "../../model/rule-draft";

export const RULES_PATH = "/api/alert-rules";
const RULE_PATH = "/api/alert-rules/{rule_id}";
const PAGE = 500;

/** Every rule that the person sees, by name; there are 2,000 at most. */
export async function readRules(signal: AbortSignal): Promise<Rule[]> {
  const rules: Rule[] = [];
  for (let page = 1; ; page += 1) {
    const { data } = await api.GET(RULES_PATH, { params: { query: { page, limit: PAGE } }, signal });
    if (data === undefined) return rules;
    rules.push(...data.items);
    if (data.items.length < PAGE) return rules;
  }
}

export async function readRule(id: string): Promise<Rule> {
  const { data } = await api.GET(RULE_PATH, { params: { path: { rule_id: id } } });
  if (data === undefined) throw new Error("an answer without a body");
  return data;
}

/** Done when what is on the screen is read anew. */
async function forget(): Promise<void> {
  await Promise.all([RULES_PATH, RULE_PATH].map((path) => queryClient.invalidateQueries({ queryKey: ["get", path] })));
}

/** Save a rule: a new one, or upon the version that was seen. */
export async function saveRule(body: RuleBody, seen: Pick<Rule, "id" | "version"> | undefined): Promise<Rule> {
  const { data } =
    seen === undefined
      ? await api.POST(RULES_PATH, { body })
      : await api.PUT(RULE_PATH, { params: { path: { rule_id: seen.id }, header: { "If-Match": `"${String(seen.version)}"` } }, body });
  if (data === undefined) throw new Error("an answer without a body");
  await forget();
  return data;
}

export async function deleteRule({ id, version }: Pick<Rule, "id" | "version">): Promise<void> {
  await api.DELETE(RULE_PATH, { params: { path: { rule_id: id }, header: { "If-Match": `"${String(version)}"` } } });
  await forget();
}
