import type { RuleDraft } from "../../model/rule-draft";

/** What each part of the editor gets. */
export interface EditProps {
  readonly draft: RuleDraft;
  readonly change: (part: Partial<RuleDraft>) => void;
  /** What is wrong with a field, in words; nothing before somebody tried to save. */
  readonly fault: (field: keyof RuleDraft) => string | undefined;
}
