/** Shows the copy as if it had not been mirrored, turned or put into a part of the frame; or outlines that part. */

const isPart = ({ left, top, right, bottom }) => (right - left) * (bottom - top) < 1;

/** Whether the copy's view says that something was done to it. */
export const isEdited = (view) => view.is_mirrored || view.turned_degrees !== 0 || isPart(view.region);

/** Undo the edits of the copy if `isAlike`, else outline its region; the view is null for a side that nothing was done to. */
export function show(video, outline, view, isAlike) {
  video.style.transform = video.style.clipPath = "";
  outline.hidden = true;
  if (!view) return;
  const { left, top, right, bottom } = view.region, { clientWidth: w, clientHeight: h } = video;
  const fit = Math.min(w / (video.videoWidth || w), h / (video.videoHeight || h)); // videos keep their shape in their box
  const wide = fit * (video.videoWidth || w), high = fit * (video.videoHeight || h);
  const x = (w - wide) / 2 + left * wide, y = (h - high) / 2 + top * high, width = (right - left) * wide, height = (bottom - top) * high;
  if (isAlike) {
    const [across, down] = view.turned_degrees % 180 ? [height, width] : [width, height];
    // It was mirrored, then turned: the turn is undone first (the right-most word), then the mirror.
    video.style.transform = `${view.is_mirrored ? "scaleX(-1) " : ""}rotate(${-view.turned_degrees}deg) `
      + `scale(${Math.min(w / across, h / down)}) translate(${w / 2 - x - width / 2}px, ${h / 2 - y - height / 2}px)`;
    video.style.clipPath = `inset(${y}px ${w - x - width}px ${h - y - height}px ${x}px)`;
  } else if (isPart(view.region)) {
    outline.hidden = false;
    for (const [name, value] of Object.entries({ left: x, top: y, width, height })) outline.style[name] = `${value}px`;
  }
}
