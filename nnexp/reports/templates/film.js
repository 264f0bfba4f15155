const frames = document.getElementById("frames");
if (frames) {
  const { labels, pictures } = JSON.parse(frames.textContent);
  const frame = document.getElementById("frame"), moment = document.getElementById("moment");
  const play = document.getElementById("play"), label = moment.nextElementSibling;
  let timer = 0;
  const show = () => {
    const place = Number(moment.value);
    frame.src = pictures[place];
    frame.alt = `{{ tr("The networks of all arms: {moment}.", moment="${labels[place]}") }}`;
    label.textContent = labels[place];
    moment.setAttribute("aria-valuetext", labels[place]);
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "{{ tr("Play") }}";
  };
  moment.addEventListener("input", () => { stop(); show(); });
  play.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(moment.value) === labels.length - 1) moment.value = 0;
    show();
    play.textContent = "{{ tr("Pause") }}";
    timer = setInterval(() => {
      moment.value = Number(moment.value) + 1;
      show();
      if (Number(moment.value) === labels.length - 1) stop();
    }, 500);
  });
  moment.parentElement.hidden = false;
  show();
}
