// Explanation methods: title and description of each; the empty name shows the image alone.

export const METHODS = {
  "": ["None", "The pixels that each model receives."],
  saliency: ["Saliency", "Largest absolute gradient of the class logit over the channels of each pixel."],
  input_x_gradient: ["Input × gradient", "Gradient times pixel value: red pixels support the class, blue pixels oppose it."],
  smoothgrad: ["SmoothGrad", "Gradient averaged over noisy copies of the image."],
  integrated_gradients: ["Integrated gradients", "Gradient integrated on the path from a black image: red pixels support the class, blue pixels oppose it."],
  grad_cam: ["Grad-CAM", "Gradient-weighted sum of the last feature maps; convolutional networks only."],
  occlusion: ["Occlusion", "Drop of the class logit when a patch is covered: red patches support the class, blue patches oppose it."],
};
export const SIGNED = new Set(["input_x_gradient", "integrated_gradients", "occlusion"]);
