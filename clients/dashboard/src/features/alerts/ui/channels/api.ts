import { api, queryClient } from "@/shared/api/client";
import type { Channel, ChannelBody } from "../../model/channel-draft";

export const CHANNELS_PATH = "/api/alert-channels";
const CHANNEL_PATH = "/api/alert-channels/{channel_id}";

export async function readChannel(id: string): Promise<Channel> {
  const { data } = await api.GET(CHANNEL_PATH, { params: { path: { channel_id: id } } });
  if (data === undefined) throw new Error("an answer without a body");
  return data;
}

/** Done when what is on the screen is read anew. */
async function forget(): Promise<void> {
  await Promise.all([CHANNELS_PATH, CHANNEL_PATH].map((path) => queryClient.invalidateQueries({ queryKey: ["get", path] })));
}

/** Save a channel: a new one, or upon the version that was seen. */
export async function saveChannel(body: ChannelBody, seen: Pick<Channel, "id" | "version"> | undefined): Promise<Channel> {
  const { data } =
    seen === undefined
      ? await api.POST(CHANNELS_PATH, { body })
      : await api.PUT(CHANNEL_PATH, { params: { path: { channel_id: seen.id }, header: { "If-Match": `"${String(seen.version)}"` } }, body });
  if (data === undefined) throw new Error("an answer without a body");
  await forget();
  return data;
}

export async function deleteChannel({ id, version }: Pick<Channel, "id" | "version">): Promise<void> {
  await api.DELETE(CHANNEL_PATH, { params: { path: { channel_id: id }, header: { "If-Match": `"${String(version)}"` } } });
  await forget();
}
