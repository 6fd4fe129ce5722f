// How the drawer, which is of the second file, asks the third for the dialog of questions.

/** The event that does. */
export const QUESTION = "whodid-question";

export interface About {
  /** `type:id`, if a thing was at hand. */
  subject: string;
  /** Whether it was deleted: then that is the question. */
  deleted: boolean;
  /** Which question; when absent, the one that the subject suggests. */
  question?: string;
}
