import { expect, test } from "vitest";
import { fill, shown, strangePlace } from "./message";
import type { Place } from "./message";

const values: Record<Place, string> = {
  device_name: "Boiler 1", device: "b-1", metric: "temp", value: "91.5", unit: "°C", threshold: "90", severity: "critical", rule: "Hot", time: "now",
};

test("known places are filled in, doubled braces are braces", () => {
  expect(fill("{device_name}: {metric} is {value} {unit} {{sic}}", values)).toBe("Boiler 1: temp is 91.5 °C {sic}");
});

test("what is no place is found", () => {
  expect(strangePlace("{device}: {{value}} {time}")).toBeUndefined();
  expect(strangePlace("{devise} is hot")).toBe("{devise}");
  expect(strangePlace("{value:.2f}")).toBe("{value:.2f}");
  expect(strangePlace("half a {place")).toBe("{");
  expect(strangePlace("{}")).toBe("{}");
});

test("values are written as the service writes them", () => {
  expect([shown(91.23456789), shown(90), shown(true), shown("idle")]).toEqual(["91.2346", "90", "true", "idle"]);
});
