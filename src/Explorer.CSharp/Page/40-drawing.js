// Maps drawn as the library draws them.

/** @typedef {{ width: number, height: number, data: Uint8ClampedArray }} Pixels */

const MOST_LOADED = 200;

/** @type {Map<string, Promise<Pixels>>} */
const loaded = new Map();

const sourceOf = (/** @type {string} */ key) => saved ? saved.images[key] : `image?image=${key}`;

/** The pixels of an image as the network sees them. @returns {Promise<Pixels>} */
const pixelsOf = (/** @type {string} */ key) => {
  if (loaded.size >= MOST_LOADED && !loaded.has(key)) loaded.delete(loaded.keys().next().value);
  if (!loaded.has(key))
    loaded.set(key, new Promise((done, fail) => {
      const image = new Image();
      image.onload = () => {
        const canvas = make("canvas", { width: image.naturalWidth, height: image.naturalHeight });
        const context = canvas.getContext("2d", { willReadFrequently: true });
        context.drawImage(image, 0, 0);
        done(context.getImageData(0, 0, canvas.width, canvas.height));
      };
      image.onerror = () => { loaded.delete(key); fail(new Error("The image cannot be shown.")); };
      image.src = sourceOf(key);
    }));
  return loaded.get(key);
};

const bytesOf = (/** @type {string} */ base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer;

/** The numbers of an answer, decoded once. */
const numbersOf = (/** @type {any} */ data, /** @type {string} */ name, /** @type {any} */ kind) => {
  const at = `${name} numbers`;
  if (!data[at]) Object.defineProperty(data, at, { value: new kind(bytesOf(data[name])), enumerable: false });
  return data[at];
};

const mapOf = (/** @type {any} */ data) => numbersOf(data, "map", Float32Array);

/** Even numbers stay, as the library rounds. */
const even = (/** @type {number} */ value) => { const whole = Math.round(value); return whole - value === 0.5 && whole % 2 === 1 ? whole - 1 : whole; };

/** @type {WeakMap<Pixels, Float64Array>} */
const grounds = new WeakMap();

/** The grey that an image is under its heat map, once for all its maps. */
const groundOf = (/** @type {Pixels} */ image) => {
  if (!grounds.has(image)) grounds.set(image, greyed(image));
  return grounds.get(image);
};

/** Light, from an image's darkest place to its lightest. */
const greyed = (/** @type {Pixels} */ image) => {
  const luma = Float64Array.from({ length: image.width * image.height }, (_, i) =>
    0.299 * image.data[4 * i] + 0.587 * image.data[4 * i + 1] + 0.114 * image.data[4 * i + 2]);
  let least = Infinity, most = -Infinity;
  for (const value of luma) { least = Math.min(least, value); most = Math.max(most, value); }
  const range = most > least ? most - least : 1;
  const contrast = about.scale.contrast;
  return luma.map((value) => 255 * (1 - contrast + contrast * (value - least) / range));
};

const heat = (/** @type {Pixels} */ image, /** @type {Float32Array} */ map, /** @type {number} */ magnitude, /** @type {Uint8ClampedArray} */ into) => {
  const ground = groundOf(image);
  for (let i = 0; i < map.length; i++) {
    const share = magnitude > 0 && Number.isFinite(map[i]) ? map[i] / magnitude : 0;
    const colour = share > 0 ? about.scale.for : about.scale.against;
    const strength = Math.sqrt(Math.min(Math.abs(share), 1));
    for (let c = 0; c < 3; c++) into[4 * i + c] = even(ground[i] + strength * (colour[c] - ground[i]));
  }
};

const cloud = (/** @type {Float32Array} */ map, /** @type {number} */ largest, /** @type {Uint8ClampedArray} */ into) => {
  for (let i = 0; i < map.length; i++) {
    const grey = largest > 0 && map[i] > 0 ? even(255 * Math.min(map[i] / largest, 1)) : 0;
    for (let c = 0; c < 3; c++) into[4 * i + c] = grey;
  }
};

const mask = (/** @type {Pixels} */ image, /** @type {Float32Array} */ map, /** @type {number} */ largest, /** @type {Uint8ClampedArray} */ into) => {
  const KEPT = 0.2, DIMMED = 0.1;
  const keeps = Array.from(map, (value) => largest > 0 && value / largest > KEPT);
  const some = keeps.includes(true);
  let brightest = 0;
  for (let i = 0; i < map.length; i++)
    for (let c = 0; c < 3; c++) brightest = Math.max(brightest, image.data[4 * i + c] * (keeps[i] || !some ? 1 : DIMMED));
  const factor = brightest > 0 ? 255 / brightest : 0;
  // The library cuts decimals off here.
  for (let i = 0; i < map.length; i++)
    for (let c = 0; c < 3; c++) into[4 * i + c] = Math.floor(image.data[4 * i + c] * (keeps[i] ? 1 : DIMMED) * factor);
};

/**
 * Draws a map over its image.
 * @param {HTMLCanvasElement} canvas @param {Pixels} image @param {any} data
 * @param {{ show: string, opacity: number, magnitude: number, largest: number, removed: number, order: Int32Array|null }} how
 */
const draw = (canvas, image, data, how) => {
  const map = mapOf(data);
  if (canvas.width !== image.width || canvas.height !== image.height) Object.assign(canvas, { width: image.width, height: image.height });
  canvas.classList.toggle("small", image.width < 160);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const drawn = context.createImageData(image.width, image.height);
  if (how.removed > 0 && how.order) {
    // What is left of the image itself is what the score is of.
    for (let i = 0; i < map.length; i++)
      for (let c = 0; c < 3; c++) drawn.data[4 * i + c] = how.order[i] < how.removed ? 0 : image.data[4 * i + c];
  } else {
    if (how.show === "heat") heat(image, map, how.magnitude, drawn.data);
    if (how.show === "cloud") cloud(map, how.largest, drawn.data);
    if (how.show === "mask") mask(image, map, how.largest, drawn.data);
    if (how.opacity < 1)
      for (let i = 0; i < map.length; i++)
        for (let c = 0; c < 3; c++) drawn.data[4 * i + c] = how.opacity * drawn.data[4 * i + c] + (1 - how.opacity) * image.data[4 * i + c];
  }
  for (let i = 0; i < map.length; i++) drawn.data[4 * i + 3] = 255;
  context.putImageData(drawn, 0, 0);
};

/** A map blurred by a Gaussian. */
const blur = (/** @type {Float64Array} */ map, /** @type {number} */ width, /** @type {number} */ height, /** @type {number} */ sigma) => {
  const reach = Math.ceil(3 * sigma);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-(((i - reach) / sigma) ** 2) / 2));
  const along = (/** @type {Float64Array} */ from, /** @type {number} */ step, /** @type {(i: number) => number} */ place, /** @type {number} */ size) =>
    from.map((_, i) => {
      let sum = 0, whole = 0;
      for (let k = -reach; k <= reach; k++)
        if (place(i) + k >= 0 && place(i) + k < size) { sum += weights[k + reach] * from[i + k * step]; whole += weights[k + reach]; }
      return sum / whole;
    });
  return along(along(map, 1, (i) => i % width, width), width, (i) => Math.floor(i / width), height);
};

/** What a unit sees, small: single pixels would be lost, so the map is blurred a little first. */
const drawSeen = (/** @type {HTMLCanvasElement} */ canvas, /** @type {Pixels} */ image, /** @type {any} */ data) => {
  const soft = Float32Array.from(blur(Float64Array.from(mapOf(data)), image.width, image.height, Math.max(1, Math.max(image.width, image.height) / 64)));
  Object.assign(canvas, { width: image.width, height: image.height });
  canvas.classList.toggle("small", image.width < 160);
  const context = canvas.getContext("2d");
  const drawn = context.createImageData(image.width, image.height);
  mask(image, soft, soft.reduce((most, value) => Math.max(most, value), 0), drawn.data);
  for (let i = 3; i < drawn.data.length; i += 4) drawn.data[i] = 255;
  context.putImageData(drawn, 0, 0);
};

/** Draws an image as it is. */
const drawPlain = (/** @type {HTMLCanvasElement} */ canvas, /** @type {Pixels} */ image) => {
  Object.assign(canvas, { width: image.width, height: image.height });
  canvas.classList.toggle("small", image.width < 160);
  canvas.getContext("2d").putImageData(image, 0, 0);
};

/** Where a map is largest, in words. */
const peakOf = (/** @type {any} */ data) => {
  const map = mapOf(data);
  let at = 0;
  for (let i = 1; i < map.length; i++) if (map[i] > map[at]) at = i;
  return `largest ${three(map[at])} at row ${Math.floor(at / data.width)}, column ${at % data.width}`;
};

/** The colours of a heat map, from against to for. */
const scaleBar = () => {
  const canvas = make("canvas", { width: 101, height: 1, role: "img", "aria-label": "The scale of colours: blue against, white nothing, red for" });
  const context = canvas.getContext("2d");
  for (let i = 0; i <= 100; i++) {
    const share = (i - 50) / 50;
    const colour = share > 0 ? about.scale.for : about.scale.against;
    const mixed = colour.map((/** @type {number} */ part) => Math.round(255 + Math.sqrt(Math.abs(share)) * (part - 255)));
    context.fillStyle = `rgb(${mixed.join(",")})`;
    context.fillRect(i, 0, 1, 1);
  }
  return canvas;
};
