// A photograph: the phone's own camera where there is one, else a small dialog over the computer's.
import { byId } from "../dom.js";
import { toast } from "../toast.js";

const NAME = "photograph.jpg";
const QUALITY = 0.92;

/** Offer the button where there can be a camera, and call `show(file)` with what it takes. */
export function startCamera(show) {
  const phone = matchMedia("(pointer: coarse)").matches;
  const button = byId("photograph");
  const dialog = byId("camera");
  const video = byId("camera-video");
  let stream = null;
  if (!phone && !navigator.mediaDevices?.getUserMedia) return;
  button.hidden = false;
  button.addEventListener("click", () => (phone ? byId("snap").click() : open()));
  byId("camera-cancel").addEventListener("click", () => dialog.close());
  byId("camera-take").addEventListener("click", take);
  dialog.addEventListener("close", () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    video.srcObject = stream = null;
  });

  async function open() {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (error) {
      toast(error.name === "NotAllowedError" ? "The browser may not use the camera." : "There is no camera that could be used.", { kind: "bad" });
      return;
    }
    video.srcObject = stream;
    dialog.showModal();
    await video.play();
  }

  function take() {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => {
      dialog.close();
      show(new File([blob], NAME, { type: "image/jpeg" }));
    }, "image/jpeg", QUALITY);
  }
}
