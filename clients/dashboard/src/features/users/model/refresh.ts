/** People and roles are edited on desktops too, and nothing tells of it: both lists are asked for again this often. */
export const ASK_AGAIN_MS = 5_000;
