// Labelling page: one picture of the captured traffic at a time, its classes, and the estimates from all labels.
import { byId, fill, h } from "./dom.js";
import { estimates } from "./label/estimates.js";
import { Queue } from "./label/queue.js";
import { heading } from "./parts/heading.js";

heading("Pictures of the captured traffic, chosen at random. Your labels measure how often the models are right.");
const figures = h("div");
const refresh = () => estimates(figures);
const queue = new Queue(refresh);
fill(byId("label-view"), h("div.label-layout", queue.element, figures));
if (await queue.next()) await refresh();
