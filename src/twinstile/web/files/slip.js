// @ts-check
/** The slip is printed at once, and again by F2; Enter is for the next person. */
document.addEventListener("keydown", (event) => {
  if (event.key === "F2") {
    event.preventDefault();
    print();
  } else if (event.key === "Escape") {
    location.assign("/desk");
  }
});
document.getElementById("print")?.addEventListener("click", () => print());
document.getElementById("next")?.focus();
print();
