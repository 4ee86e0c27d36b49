/** Shows the copy as if it had not been mirrored, turned or put into a part of the frame; or outlines that part. */

/** What the copy's view says was done to it; @param {Object} view @returns {boolean} */
export function isEdited(view) {
  const { left, top, right, bottom } = view.region;
  return view.is_mirrored || view.turned_degrees !== 0 || (right - left) * (bottom - top) < 1;
}

/** Place of the picture in its box: videos keep their shape. @returns {{x: number, y: number, width: number, height: number}} px */
function picture(video) {
  const { clientWidth: w, clientHeight: h } = video, wide = video.videoWidth || w, high = video.videoHeight || h;
  const scale = Math.min(w / wide, h / high);
  return { x: (w - wide * scale) / 2, y: (h - high * scale) / 2, width: wide * scale, height: high * scale };
}

/**
 * @param {HTMLVideoElement} video the copy
 * @param {HTMLElement} outline shown around the region while the copy is as it is
 * @param {Object|null} view null for a side that nothing was done to
 * @param {boolean} isAlike whether the edits are undone
 */
export function show(video, outline, view, isAlike) {
  video.style.transform = video.style.clipPath = "";
  outline.hidden = true;
  if (!view) return;
  const { left, top, right, bottom } = view.region, place = picture(video), { clientWidth: w, clientHeight: h } = video;
  const box = { x: place.x + left * place.width, y: place.y + top * place.height, width: (right - left) * place.width,
    height: (bottom - top) * place.height };
  if (isAlike) {
    const isUpright = view.turned_degrees % 180 === 0;
    const scale = Math.min(w / (isUpright ? box.width : box.height), h / (isUpright ? box.height : box.width));
    const dx = w / 2 - (box.x + box.width / 2), dy = h / 2 - (box.y + box.height / 2);
    // It was mirrored, then turned: the turn is undone first (the right-most word), then the mirror.
    video.style.transform = `${view.is_mirrored ? "scaleX(-1) " : ""}rotate(${-view.turned_degrees}deg) scale(${scale}) translate(${dx}px, ${dy}px)`;
    video.style.clipPath = `inset(${box.y}px ${w - box.x - box.width}px ${h - box.y - box.height}px ${box.x}px)`;
  } else if ((right - left) * (bottom - top) < 1) {
    outline.hidden = false;
    for (const [name, value] of Object.entries({ left: box.x, top: box.y, width: box.width, height: box.height })) outline.style[name] = `${value}px`;
  }
}
