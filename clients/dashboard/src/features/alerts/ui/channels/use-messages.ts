import { useInfiniteQuery } from "@tanstack/react-query";
import { api } from "@/shared/api/client";
import { isOnItsWay } from "../../model/delivery";

export const MESSAGES_PATH = "/api/alert-channels/{channel_id}/messages";
const PAGE = 30;
/** Nobody announces that a message went out: while one is on its way they are asked for. */
const ASKED_EVERY_MS = 1_500;
const ASKED_IDLE_MS = 15_000;

/** What went through a channel, newest first. */
export function useMessages(channelId: string) {
  return useInfiniteQuery({
    queryKey: ["get", MESSAGES_PATH, channelId],
    initialPageParam: null as number | null,
    queryFn: async ({ pageParam, signal }) => {
      const { data } = await api.GET(MESSAGES_PATH, {
        params: { path: { channel_id: channelId }, query: { limit: PAGE, ...(pageParam !== null && { cursor: pageParam }) } },
        signal,
      });
      if (data === undefined) throw new Error("an answer without a body");
      return data;
    },
    getNextPageParam: (last) => last.next_cursor,
    refetchInterval: ({ state }) =>
      state.data?.pages.some((page) => page.items.some((one) => isOnItsWay(one.state))) === true ? ASKED_EVERY_MS : ASKED_IDLE_MS,
  });
}
