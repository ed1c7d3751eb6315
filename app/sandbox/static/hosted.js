/* Starts the page behind a hosted link. */
(() => {
  "use strict";
  const place = document.getElementById("employee");
  window.Kota.Health.employee().init(place.dataset.token, { container: place.id });
})();
