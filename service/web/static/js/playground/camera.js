// Camera: the phone's own app on touch devices, else a dialog with the computer's camera.
import { byId } from "../dom.js";
import { toast } from "../toast.js";

const NAME = "photograph.jpg";
const QUALITY = 0.92;

/** Show the button if there may be a camera, and call `show(file)` with each photo. */
export function startCamera(show) {
  const phone = matchMedia("(pointer: coarse)").matches;
  const button = byId("photograph");
  const dialog = byId("camera");
  const video = byId("camera-video");
  const shutter = byId("camera-take");
  let stream = null;
  if (!phone && !navigator.mediaDevices?.getUserMedia) return;
  button.hidden = false;
  button.addEventListener("click", () => (phone ? byId("snap").click() : open()));
  byId("camera-cancel").addEventListener("click", () => dialog.close());
  shutter.addEventListener("click", take);
  video.addEventListener("loadeddata", () => (shutter.disabled = false));
  dialog.addEventListener("close", () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    video.srcObject = stream = null;
  });

  async function open() {
    button.disabled = true; // a second stream would never be stopped
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (error) {
      toast(error.name === "NotAllowedError" ? "The browser may not use the camera." : "No camera was found.", { kind: "bad" });
      return;
    } finally {
      button.disabled = false;
    }
    shutter.disabled = true; // until the preview has a frame
    video.srcObject = stream;
    dialog.showModal();
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
