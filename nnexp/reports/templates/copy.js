// Buttons that copy the command beside them.
async function copy(event) {
  const button = event.currentTarget, command = button.previousElementSibling;
  let done = true;
  try {
    await navigator.clipboard.writeText(command.textContent);
  } catch {
    getSelection().selectAllChildren(command);
    done = document.execCommand("copy");
  }
  button.textContent = done ? "{{ tr("Copied") }}" : "{{ tr("Selected") }}";
  setTimeout(() => { button.textContent = "{{ tr("Copy") }}"; }, 2000);
}

for (const button of document.querySelectorAll(".copier")) {
  button.hidden = false;
  button.addEventListener("click", copy);
}
