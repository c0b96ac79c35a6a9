/** Sends one file to the address in data.to, straight from the disk, and tells Python the study's key when it is there. */
export default function upload(component) {
  const { parentElement: home, data } = component;
  const input = home.querySelector("input");
  const said = home.querySelector("output");
  home.querySelector("span").textContent = data.text.label;
  input.disabled = false;
  input.onchange = () => {
    const file = input.files[0];
    if (!file) return;
    const request = new XMLHttpRequest();
    const name = encodeURIComponent(file.name.replace(/\.zip$/i, ""));
    input.disabled = true;
    request.upload.onprogress = (event) => {
      const part = event.total ? Math.round((100 * event.loaded) / event.total) : 0;
      said.textContent = part < 100 ? `${data.text.sending} ${part} %` : data.text.reading;
    };
    request.onload = () => {
      let answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        answer = { error: data.text.failed };
      }
      said.textContent = answer.error ?? "";
      said.className = answer.error ? "wrong" : "";
      input.disabled = false;
      input.value = "";
      if (answer.key) component.setTriggerValue("arrived", { key: answer.key });
    };
    request.onerror = () => {
      said.textContent = data.text.failed;
      said.className = "wrong";
      input.disabled = false;
      input.value = "";
    };
    request.open("PUT", `${data.to}?name=${name}`);
    request.send(file);
  };
}
