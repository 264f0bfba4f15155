// A menu below each figure: saves it as it is shown, in the size of a slide or of a column of a paper.
// A column without a height is as high as the figure; 2008 pixels of 85 mm are 600 dots per inch.
const SIZES = {
  slide: { words: "{{ tr("slide, 1920 × 1080") }}", width: 1920, height: 1080, unit: "px", pixels: 1920 },
  column: { words: "{{ tr("column, 85 mm") }}", width: 85, unit: "mm", pixels: 2008 },
};

// How the classes of drawings look, as attributes.
const looks = Object.fromEntries([...document.styleSheets[0].cssRules].filter(rule => /^\.s\d+$/.test(rule.selectorText))
  .map(({ selectorText, style }) => [selectorText.slice(1), [...style].map(name => [name, style.getPropertyValue(name)])]));

// A copy of a drawing for a file, on white paper in the colours of a light page, after which its
// variables are named. Its ids are its own, as the copy may be on the page beside the drawing.
function sheet(svg, { width, height, unit }) {
  const copy = svg.cloneNode(true), box = svg.viewBox.baseVal;
  for (const one of copy.querySelectorAll("rect.key, #ring")) one.remove();
  for (const name of ["role", "aria-label"]) copy.removeAttribute(name);
  const across = height ? Math.max(box.width, box.height * width / height) : box.width;
  const high = height ? across * height / width : box.height;
  const place = { x: box.x - (across - box.width) / 2, y: box.y - (high - box.height) / 2, width: across, height: high };
  copy.setAttribute("viewBox", Object.values(place).join(" "));
  copy.prepend(element("rect", { ...place, fill: "#ffffff" }, copy));
  const size = { width, height: width * high / across };
  for (const side of ["width", "height"]) copy.setAttribute(side, `${+size[side].toFixed(3)}${unit}`);
  for (const one of copy.querySelectorAll("[class]")) {
    for (const [name, value] of looks[one.getAttribute("class")] ?? []) one.setAttribute(name, value);
    one.removeAttribute("class");
  }
  const text = new XMLSerializer().serializeToString(copy);
  const named = text.replace(/( id="|href="#|url\(#)/g, "$1saved-");
  return { text: named.replace(/var\(--([0-9a-f]{6})\)/g, "#$1"), ...size };
}

function download(name, address) {
  Object.assign(document.createElement("a"), { download: name, href: address }).click();
}

const save = {
  SVG(name, { text }) {
    const address = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    download(`${name}.svg`, address);
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  },
  async PNG(name, { text, width, height }, { pixels }) {
    const image = new Image(), canvas = document.createElement("canvas");
    const dots = text.replace(/ width="[^"]*"/, ` width="${pixels}px"`)
      .replace(/ height="[^"]*"/, ` height="${pixels * height / width}px"`);
    image.src = `data:image/svg+xml,${encodeURIComponent(dots)}`;
    await image.decode();
    Object.assign(canvas, { width: pixels, height: Math.round(pixels * height / width) });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    download(`${name}.png`, canvas.toDataURL());
  },
  // The browser prints the figure alone, on a page of its size: choose "Save as PDF".
  PDF(name, { text, width, height }, { unit }) {
    const paper = new CSSStyleSheet(), shown = document.createElement("div"), title = document.title;
    paper.replaceSync(`@page { size: ${width}${unit} ${height}${unit}; margin: 0 }`);
    shown.id = "sheet";
    shown.append(document.adoptNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement));
    document.adoptedStyleSheets.push(paper);
    document.body.append(shown);
    document.title = name;
    addEventListener("afterprint", () => {
      document.adoptedStyleSheets.pop();
      shown.remove();
      document.title = title;
    }, { once: true });
    print();
  },
};

function addMenu({ svg, name }) {
  const menu = document.createElement("details");
  menu.className = "save";
  menu.append(Object.assign(document.createElement("summary"), { textContent: "{{ tr("Save as") }}" }));
  for (const [key, size] of Object.entries(SIZES)) {
    const line = menu.appendChild(document.createElement("div"));
    line.append(`${size.words}: `);
    for (const [form, write] of Object.entries(save)) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: form });
      button.setAttribute("aria-label", `{{ tr("{name} as {form}, {size}", name="${name}", form="${form}", size="${size.words}") }}`);
      if (form === "PDF") button.title = "{{ tr("Opens the browser's print dialog: choose “Save as PDF”.") }}";
      button.addEventListener("click", () => write(`${name}-${key}`, sheet(svg, size), size));
      line.append(button, " ");
    }
  }
  svg.parentElement.querySelector("figcaption").append(menu);
}
