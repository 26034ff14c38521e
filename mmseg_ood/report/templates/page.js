'use strict';
(() => {
  const find = (id) => document.getElementById(id);

  for (const button of document.querySelectorAll('.copy')) {
    button.hidden = false;
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = 'Copied';
      find('announcement').textContent = `Copied ${button.dataset.copy}`;
      setTimeout(() => { button.textContent = 'Copy'; }, 1500);
    });
  }

  if (!find('frames-data')) return;
  const { frames, ranges } = JSON.parse(find('frames-data').textContent);
  const tools = find('tools');
  const section = find('frames');
  const viewer = find('viewer');
  const stage = find('stage');
  const layers = stage.querySelector('.layers');
  const byName = new Intl.Collator(undefined, { numeric: true });
  let shown = [];
  let current = 0;

  const score = () => tools.elements.score.value;
  const figures = (frame) => frame.figures[score()] ?? {};

  function withText(tag, text, name) {
    const element = document.createElement(tag);
    element.textContent = text;
    if (name) element.className = name;
    return element;
  }

  function showPictures(layer, frame) {
    const sources = { image: frame.image, map: frame.maps[score()], truth: frame.truth };
    const texts = { image: `Frame ${frame.name}`, map: `Anomaly map by ${score()}`, truth: 'Ground truth' };
    for (const [kind, source] of Object.entries(sources)) {
      const image = layer.querySelector(`.${kind}`);
      [image.width, image.height] = frame.size;
      image.alt = texts[kind];
      image.hidden = !source;
      if (source && image.getAttribute('src') !== source) image.src = source;
    }
  }

  function showValues(element, frame) {
    element.replaceChildren();
    for (const [name, value] of Object.entries(figures(frame))) {
      const pair = withText('span', '', name === tools.elements.sort.value ? 'sorted' : '');
      pair.append(withText('span', name.replaceAll('_', ' '), 'name'), value ? value[1] : '–');
      element.append(pair);
    }
    if (frame.outliers !== null) {
      const share = 100 * frame.outliers / Math.max(frame.outliers + frame.inliers, 1);
      element.append(withText('span', frame.outliers ? `${share.toPrecision(2)} % anomalous`
        : 'no anomalies: AP, FPR and AUROC are undefined', 'place'));
    }
  }

  for (const frame of frames) {
    frame.card = find('frame').content.firstElementChild.cloneNode(true);
    frame.card.querySelector('.name').textContent = frame.name;
    frame.card.querySelector('.place').textContent = frame.benchmark;
    frame.card.querySelector('button').addEventListener('click', () => open(shown.indexOf(frame)));
  }

  /** Undefined figures come last in either order. */
  function compare(name, order) {
    return (first, second) => {
      const [a, b] = [first, second].map((frame) => figures(frame)[name]?.[0]);
      if (name && a !== b) {
        if (a === undefined || b === undefined) return a === undefined ? 1 : -1;
        return order * (a - b);
      }
      return byName.compare(first.name, second.name);
    };
  }

  function update() {
    const { sort, benchmark, filter } = tools.elements;
    const order = Number(sort.selectedOptions[0].dataset.order);
    const text = filter.value.trim().toLowerCase();
    shown = frames.filter((frame) => (!benchmark.value || frame.benchmark === benchmark.value)
      && frame.name.toLowerCase().includes(text));
    shown.sort(compare(sort.value, order));
    for (const frame of shown) {
      showPictures(frame.card, frame);
      showValues(frame.card.querySelector('.values'), frame);
    }
    find('gallery').replaceChildren(...shown.map((frame) => frame.card));
    find('shown').textContent = `${shown.length} of ${frames.length} frames.`;
  }

  function updateLook() {
    const { split, truth, blend } = tools.elements;
    section.style.setProperty('--split', `${split.value}%`);
    section.classList.toggle('fade', blend.value === 'fade');
    section.classList.toggle('with-truth', truth.checked);
    find('viewer-split').value = split.value;
    find('viewer-truth').checked = truth.checked;
  }

  for (const name of ['sort', 'score', 'benchmark', 'filter']) tools.elements[name].addEventListener('input', update);
  tools.addEventListener('input', updateLook);
  tools.addEventListener('submit', (event) => event.preventDefault());

  // ---------------------------------------------------------------- large view
  const view = { zoom: 1, x: 0, y: 0 };

  function applyView() {
    const zoomed = view.zoom > 1;
    const { offsetWidth: width, offsetHeight: height } = layers;
    view.x = zoomed ? Math.min(0, Math.max(view.x, width * (1 - view.zoom))) : 0;
    view.y = zoomed ? Math.min(0, Math.max(view.y, height * (1 - view.zoom))) : 0;
    layers.style.setProperty('--x', `${view.x}px`);
    layers.style.setProperty('--y', `${view.y}px`);
    layers.style.setProperty('--zoom', view.zoom);
    layers.classList.toggle('close-up', view.zoom > 3);
    find('zoom').value = `${Math.round(100 * view.zoom)} %`;
  }

  /** Zoom so that what is at a point of the window stays there; by default the middle. */
  function zoomBy(factor, clientX, clientY) {
    const box = layers.getBoundingClientRect();
    const middle = stage.getBoundingClientRect();
    const x = (clientX ?? middle.left + middle.width / 2) - box.left;
    const y = (clientY ?? middle.top + middle.height / 2) - box.top;
    const zoom = Math.min(16, Math.max(1, view.zoom * factor));
    view.x += x * (1 - zoom / view.zoom);
    view.y += y * (1 - zoom / view.zoom);
    view.zoom = zoom;
    applyView();
  }

  function fit() {
    Object.assign(view, { zoom: 1, x: 0, y: 0 });
    const [width, height] = shown[current].size;
    layers.style.setProperty('--fitting', `${stage.clientHeight * width / height}px`);
    applyView();
  }

  function show(index) {
    current = (index + shown.length) % shown.length;
    const frame = shown[current];
    find('viewer-name').textContent = frame.name;
    find('viewer-place').textContent = `${frame.benchmark}, ${score()}, ${current + 1} of ${shown.length}`;
    showPictures(layers, frame);
    showValues(find('viewer-values'), frame);
    const ends = ranges[frame.benchmark]?.[score()] ?? ['low', 'high'];
    [find('low').textContent, find('high').textContent] = ends;
    fit();
  }

  function open(index) {
    viewer.showModal();
    show(index);
    stage.focus();
  }

  viewer.addEventListener('close', () => shown[current].card.querySelector('button').focus());
  find('close').addEventListener('click', () => viewer.close());
  find('previous').addEventListener('click', () => show(current - 1));
  find('next').addEventListener('click', () => show(current + 1));
  find('larger').addEventListener('click', () => zoomBy(1.5));
  find('smaller').addEventListener('click', () => zoomBy(1 / 1.5));
  find('whole').addEventListener('click', fit);
  find('viewer-split').addEventListener('input', (event) => {
    tools.elements.split.value = event.target.value;
    updateLook();
  });
  find('viewer-truth').addEventListener('input', (event) => {
    tools.elements.truth.checked = event.target.checked;
    updateLook();
  });

  const keys = {
    ArrowLeft: () => show(current - 1), ArrowRight: () => show(current + 1), 0: fit,
    '+': () => zoomBy(1.5), '=': () => zoomBy(1.5), '-': () => zoomBy(1 / 1.5), t: () => find('viewer-truth').click(),
  };
  viewer.addEventListener('keydown', (event) => {
    const onSlider = event.target.type === 'range' && event.key.startsWith('Arrow');
    if (onSlider || event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });

  stage.addEventListener('wheel', (event) => {
    event.preventDefault();
    zoomBy(Math.exp(-0.002 * event.deltaY), event.clientX, event.clientY);
  }, { passive: false });
  stage.addEventListener('dblclick', (event) => {
    if (view.zoom > 1) fit(); else zoomBy(3, event.clientX, event.clientY);
  });

  const fingers = new Map();
  stage.addEventListener('pointerdown', (event) => {
    fingers.set(event.pointerId, event);
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener('pointermove', (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const other = [...fingers.values()].find((finger) => finger.pointerId !== event.pointerId);
    if (other) {
      const distance = (finger) => Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY);
      zoomBy(distance(event) / Math.max(distance(before), 1), (event.clientX + other.clientX) / 2,
        (event.clientY + other.clientY) / 2);
    } else {
      view.x += event.clientX - before.clientX;
      view.y += event.clientY - before.clientY;
      applyView();
    }
    fingers.set(event.pointerId, event);
  });
  for (const end of ['pointerup', 'pointercancel']) stage.addEventListener(end, (event) => fingers.delete(event.pointerId));
  window.addEventListener('resize', () => { if (viewer.open) fit(); });

  update();
  updateLook();
})();
