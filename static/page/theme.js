// Runs before the first paint, so that a chosen theme does not flash; no module.
{
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage is forbidden
    }
  };
  const apply = () => {
    root.dataset.theme = stored() ?? (dark.matches ? "dark" : "light");
    root.dispatchEvent(new Event("themechange"));
  };
  apply();
  dark.addEventListener("change", apply);
  addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme")?.addEventListener("click", () => {
      const next = root.dataset.theme === "dark" ? "light" : "dark";
      try {
        localStorage.setItem("theme", next);
        apply();
      } catch {
        root.dataset.theme = next;
        root.dispatchEvent(new Event("themechange"));
      }
    });
  });
}
