// What each method is called, and what its map says; without one there is the picture alone.

export const METHODS = {
  "": ["The picture", "Exactly the pixels that go into each model."],
  saliency: ["Saliency", "How much the class’s score would change with each pixel: the largest slope along one of its channels."],
  input_x_gradient: ["Input × gradient", "Slope times value: red pixels speak for the class, blue ones against it."],
  smoothgrad: ["SmoothGrad", "The slope, averaged over noisy copies of the picture."],
  integrated_gradients: ["Integrated gradients", "What each pixel adds on the way from black to the picture: red for the class, blue against it."],
  grad_cam: ["Grad-CAM", "Where the last feature maps speak for the class; of convolutional networks only."],
  occlusion: ["Occlusion", "How much the score drops when a patch is covered: red patches are needed, blue ones mislead."],
};
export const SIGNED = new Set(["input_x_gradient", "integrated_gradients", "occlusion"]);
